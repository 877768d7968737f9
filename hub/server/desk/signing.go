package desk

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"cotmoc/hub/feed"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/rights"
	"cotmoc/hub/trust"
	"cotmoc/playlist"
)

// ErrNoTrust is returned where a hub has no root yet: nothing can be signed.
var ErrNoTrust = errors.New("this hub has no root of trust yet: hold the key ceremony first")

// metadataDoc is a document that holds a metadata file. Its bytes are kept as they
// are: others name them by their hash.
type metadataDoc struct {
	Raw  []byte `json:"raw"`
	Head []byte `json:"head,omitempty"` // an emergency document, which no edition keeps
	Root int64  `json:"root,omitempty"` // of a timestamp: the newest root when it was signed
}

// Request is metadata that waits for signatures.
type Request struct {
	Role    string    `json:"role"`
	Version int64     `json:"version"`
	At      time.Time `json:"at"`
	By      string    `json:"by"`
	Changes []string  `json:"changes"` // what signing would do, in plain words
	Raw     []byte    `json:"raw"`
	Head    []byte    `json:"head,omitempty"` // the document that it names
	Keys    []string  `json:"keys"`           // that may sign
	Have    []string  `json:"have"`           // that have signed
	Need    int       `json:"need"`
}

// roleOf is the role that names a scope's head.
func (t *tx) roleOf(scope playlist.ID) string {
	if scope == t.tree.root {
		return trust.Targets
	}
	return string(scope)
}

// root returns the newest root.
func newestRoot(ctx context.Context, r central.Reader) ([]byte, error) {
	all, err := central.All[metadataDoc](ctx, r, central.Query{Kind: central.Roots})
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, ErrNoTrust
	}
	return all[len(all)-1].Raw, nil
}

func rootID(version int64) playlist.ID { return playlist.ID(fmt.Sprintf("%06d", version)) }

func load(ctx context.Context, r central.Reader, kind central.Kind, role string) (central.Doc, metadataDoc, error) {
	d, m, err := central.Load[metadataDoc](ctx, r, kind, playlist.ID(role))
	if errors.Is(err, central.ErrNotFound) {
		return central.Doc{Kind: kind, ID: playlist.ID(role)}, metadataDoc{}, nil
	}
	return d, m, err
}

// newest returns a role's metadata as it will stand once what waits is signed.
func newest(ctx context.Context, r central.Reader, role string) ([]byte, error) {
	_, m, err := load(ctx, r, central.Signing, role)
	if err != nil || m.Raw != nil {
		return m.Raw, err
	}
	_, m, err = load(ctx, r, central.Signed, role)
	return m.Raw, err
}

// propose makes a role's next version and lets it wait for its signatures. What
// waited before is replaced by it. It returns false where nobody holds the role.
func (t *tx) propose(role string, head []byte, number int64, delegates map[string]trust.Holders) (bool, error) {
	if _, err := newestRoot(t.ctx, t); errors.Is(err, ErrNoTrust) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	if _, ok, err := holders(t.ctx, t, role); err != nil || !ok {
		return false, err
	}
	if t.d.Clock.Check() != nil { // what is made now would expire at a wrong time: it waits
		return false, nil
	}
	raw, err := newest(t.ctx, t, role)
	if err != nil {
		return false, err
	}
	c := trust.Content{Version: 1, At: t.now, Life: trust.TargetsLife, Delegates: delegates}
	if raw != nil {
		said, err := trust.Read(raw)
		if err != nil {
			return false, err
		}
		c.Version, c.Head = said.Version+1, said.Head
		if role == trust.Targets && delegates == nil {
			if c.Delegates, err = trust.AllHolders(raw); err != nil {
				return false, err
			}
		}
	}
	leapt, err := nextNumber(t.ctx, t, playlist.ID(role), c.Version-1)
	if err != nil {
		return false, err
	}
	c.Version = max(c.Version, leapt, number)
	scope := role
	if role == trust.Targets {
		scope = string(t.tree.root)
	}
	if role == trust.Emergency {
		c.Life = trust.EmergencyLife
	}
	if head != nil {
		c.Head = trust.TargetOf(scope, number, head)
	}
	if raw, err = trust.MakeTargets(c); err != nil {
		return false, err
	}
	doc, _, err := load(t.ctx, t, central.Signing, role)
	if err != nil {
		return false, err
	}
	if err := doc.Encode(metadataDoc{Raw: raw, Head: head}); err != nil {
		return false, err
	}
	doc.Owner = t.tree.root
	_, err = t.put(doc)
	return true, err
}

// Requests lists what waits for signatures, with what it would change.
func (d *Desk) Requests(ctx context.Context) ([]Request, error) {
	out := []Request{}
	err := d.Store.Read(ctx, func(r central.Reader) error {
		docs, err := r.List(ctx, central.Query{Kind: central.Signing})
		if err != nil {
			return err
		}
		for _, doc := range docs { // one that cannot be described is listed all the same
			q, err := request(ctx, r, doc)
			if err != nil {
				q.Changes = append(q.Changes, "what it would change cannot be told: "+err.Error())
			}
			out = append(out, q)
		}
		return nil
	})
	return out, err
}

func request(ctx context.Context, r central.Reader, doc central.Doc) (Request, error) {
	q := Request{Role: string(doc.ID), At: doc.At, By: string(doc.By)}
	m, err := central.Decode[metadataDoc](doc)
	if err != nil {
		return q, err
	}
	said, err := trust.Read(m.Raw)
	if err != nil {
		return q, err
	}
	q = Request{Role: string(doc.ID), Version: said.Version, At: doc.At, By: string(doc.By), Raw: m.Raw, Head: m.Head}
	h, ok, err := signersOf(ctx, r, q)
	if err != nil || !ok {
		return q, err
	}
	for _, k := range h.Keys {
		q.Keys = append(q.Keys, k.ID)
	}
	q.Need = h.Threshold
	signed, err := trust.Signers(m.Raw, h.Keys)
	if err != nil {
		return q, err
	}
	for _, k := range signed {
		q.Have = append(q.Have, k.ID)
	}
	q.Changes, err = changes(ctx, r, q, said)
	return q, err
}

// changes says in plain words what a signature would let happen.
func changes(ctx context.Context, r central.Reader, q Request, said trust.Said) ([]string, error) {
	var out []string
	_, now, err := load(ctx, r, central.Signed, q.Role)
	if err != nil {
		return nil, err
	}
	var before trust.Said
	if now.Raw != nil {
		if before, err = trust.Read(now.Raw); err != nil {
			return nil, err
		}
	}
	if said.Head != nil && (before.Head == nil || *before.Head != *said.Head) {
		lines, err := headChanges(ctx, r, q, said.Head, before.Head)
		if err != nil {
			return nil, err
		}
		out = append(out, lines...)
	}
	if q.Role == trust.Root {
		line, err := correctionLine(ctx, r, q)
		if err != nil {
			return nil, err
		}
		out = append(out, line...)
	}
	if q.Role == trust.Targets || q.Role == trust.Root {
		lines, err := holderChanges(ctx, r, q, now.Raw)
		if err != nil {
			return nil, err
		}
		out = append(out, lines...)
	}
	return append(out, "accepted until "+said.Expires.Format("2006-01-02")), nil
}

func holderChanges(ctx context.Context, r central.Reader, q Request, old []byte) (_ []string, err error) {
	was := map[string]trust.Holders{}
	if q.Role == trust.Root {
		if old, err = newestRoot(ctx, r); errors.Is(err, ErrNoTrust) {
			old, err = nil, nil
		}
	}
	if err == nil && old != nil {
		was, err = trust.AllHolders(old)
	}
	if err != nil {
		return nil, err
	}
	is, err := trust.AllHolders(q.Raw)
	if err != nil {
		return nil, err
	}
	return compareHolders(was, is), nil
}

// correctionLine says that a root sets kiosks' clocks back, where the one before does not.
func correctionLine(ctx context.Context, r central.Reader, q Request) ([]string, error) {
	c, err := trust.CorrectionOf(q.Raw)
	if err != nil || c == nil {
		return nil, err
	}
	if old, err := newestRoot(ctx, r); err == nil {
		if was, err := trust.CorrectionOf(old); err != nil || was != nil && was.Number == c.Number {
			return nil, err
		}
	} else if !errors.Is(err, ErrNoTrust) {
		return nil, err
	}
	return []string{"every kiosk's clock begins again from " + c.Floor.UTC().Format(time.RFC3339) + ": what was signed for later does not count as having passed"}, nil
}

func compareHolders(was, is map[string]trust.Holders) (out []string) {
	for role, h := range is {
		if !sameHolders(was[role], h) {
			out = append(out, fmt.Sprintf("%s is signed by %d of %s", role, h.Threshold, shortKeys(h.Keys)))
			if len(was[role].Keys) > 0 && !sharesThreshold(was[role], h) {
				out = append(out, role+" must be signed again by its new keys: until then what it names is not taken; they can sign first")
			}
		}
	}
	for role := range was {
		if _, stays := is[role]; !stays {
			out = append(out, role+" is not trusted any more")
		}
	}
	slices.Sort(out)
	return out
}

// sharesThreshold says whether what the old holders signed may count under the new ones.
func sharesThreshold(was, is trust.Holders) bool {
	n := 0
	for _, k := range is.Keys {
		if slices.ContainsFunc(was.Keys, func(o trust.Key) bool { return o.ID == k.ID }) {
			n++
		}
	}
	return n >= is.Threshold
}

func sameHolders(a, b trust.Holders) bool {
	ids := func(h trust.Holders) []string {
		var out []string
		for _, k := range h.Keys {
			out = append(out, k.ID)
		}
		slices.Sort(out)
		return out
	}
	return a.Threshold == b.Threshold && slices.Equal(ids(a), ids(b))
}

func shortKeys(keys []trust.Key) string {
	var out []string
	for _, k := range keys {
		out = append(out, k.ID[:8])
	}
	return strings.Join(out, ", ")
}

// maxListed is how many changed rows a request names one by one.
const maxListed = 200

// headChanges lists what changes between the head that is signed and the new one.
func headChanges(ctx context.Context, r central.Reader, q Request, now, was *trust.Target) ([]string, error) {
	if q.Role == trust.Emergency {
		var e feed.Emergency
		if err := json.Unmarshal(q.Head, &e); err != nil {
			return nil, fmt.Errorf("emergency: %w", err)
		}
		return emergencyLines(e), nil
	}
	scope := playlist.ID(strings.SplitN(now.Path, "/", 2)[0])
	fresh, err := rowsOfEdition(ctx, r, scope, now.Number)
	if err != nil {
		return nil, err
	}
	var old []feed.Row
	if was != nil {
		if old, err = rowsOfEdition(ctx, r, scope, was.Number); err != nil {
			return []string{fmt.Sprintf("edition %d of %s, %d rows; edition %d, which is signed, is no longer kept to compare with", now.Number, scope, len(fresh), was.Number)}, nil
		}
	}
	diff, err := feed.Diff(old, fresh)
	if err != nil {
		return nil, err
	}
	return append([]string{fmt.Sprintf("edition %d of %s: %d of %d rows differ from what is signed", now.Number, scope, len(diff), len(fresh))}, changeLines(diff, fresh)...), nil
}

func changeLines(diff []feed.Change, fresh []feed.Row) (out []string) {
	byName := map[[2]string]feed.Row{}
	for _, r := range fresh {
		byName[[2]string{r.Kind, r.ID}] = r
	}
	for n, c := range diff {
		if n == maxListed {
			return append(out, fmt.Sprintf("… and %d more", len(diff)-n))
		}
		what := "changed"
		switch {
		case c.Drop:
			what = "removed"
		case c.Patch == nil:
			what = "new"
		}
		line := fmt.Sprintf("%s %s %s", what, c.Kind, c.ID)
		var said struct {
			Title string            `json:"title"`
			State string            `json:"state"`
			Names map[string]string `json:"names"`
		}
		if row, ok := byName[[2]string{c.Kind, c.ID}]; ok && json.Unmarshal(row.Row, &said) == nil {
			line += strings.TrimRight(" "+cmp.Or(said.Title, said.Names["vi"]), " ")
			if said.State == string(playlist.Withdrawn) {
				line += " (withdrawn)"
			}
		}
		out = append(out, line)
	}
	return out
}

func emergencyLines(e feed.Emergency) (out []string) {
	for _, raw := range e.Notices {
		var n playlist.Notice
		if json.Unmarshal(raw, &n) == nil {
			out = append(out, fmt.Sprintf("notice %s (%s) at %v from %s to %s: %s", n.ID, n.Severity, n.Places, n.Starts.Format(time.RFC3339), n.Ends.Format(time.RFC3339), firstBody(n)))
		}
	}
	for _, v := range e.Withdrawn {
		out = append(out, "version "+v+" leaves the screens")
	}
	if len(out) == 0 {
		out = append(out, "nothing is in force any more")
	}
	return out
}

func firstBody(n playlist.Notice) string {
	raw, err := json.Marshal(n.Bodies)
	if err != nil {
		return ""
	}
	return string(raw)
}

// AddSignature takes a signature that was made elsewhere. Once enough are there,
// the metadata is the one that holds. The signature itself is the authority;
// whoever brings it needs no other right.
func (d *Desk) AddSignature(ctx context.Context, by Caller, role string, version int64, sig metadata.Signature) (Request, error) {
	return do(ctx, d, by, "sign "+role, func(t *tx) (Request, error) {
		t.about(central.Signing, playlist.ID(role), t.tree.root)
		doc, err := t.Get(t.ctx, central.Signing, playlist.ID(role))
		if err != nil {
			return Request{}, fmt.Errorf("nothing of %s waits for a signature: %w", role, err)
		}
		q, err := request(t.ctx, t, doc)
		if err != nil && q.Need == 0 { // what it changes may be past telling, not who signs it
			return q, err
		}
		if q.Version != version {
			return q, fmt.Errorf("version %d of %s was signed; version %d waits: %w", version, role, q.Version, central.ErrChanged)
		}
		raw, err := trust.AddSignature(q.Raw, sig)
		if err != nil {
			return q, err
		}
		m := metadataDoc{Raw: raw, Head: q.Head}
		if err := doc.Encode(m); err != nil {
			return q, err
		}
		if q, err = request(t.ctx, t, doc); err != nil && q.Need == 0 {
			return q, err
		}
		if !slices.Contains(q.Have, sig.KeyID) {
			return q, &Refusal{Act: rights.Publish, Place: t.tree.root, Why: "this signature is not by a key of " + role}
		}
		if err := t.detail(map[string]any{"version": q.Version, "key": sig.KeyID, "changes": len(q.Changes)}); err != nil {
			return q, err
		}
		if err := t.written(role, raw); err != nil {
			return q, err
		}
		whole, err := t.enough(q)
		if err != nil {
			return q, err
		}
		if whole {
			return q, t.promote(doc, m, q)
		}
		if _, err := t.put(doc); err != nil || role != trust.Targets {
			return q, err
		}
		return q, t.rootFollows()
	})
}

// waiting stores a request of the given role.
func (t *tx) wait(role string, m metadataDoc) error {
	doc, _, err := load(t.ctx, t, central.Signing, role)
	if err != nil {
		return err
	}
	doc.Owner = t.tree.root
	if err := doc.Encode(m); err != nil {
		return err
	}
	_, err = t.put(doc)
	return err
}
