package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"cotmoc/hub/server"
	"cotmoc/hub/server/api"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/server/rights"
	"cotmoc/playlist"
	"cotmoc/playlist/content"
)

func userAdd(ctx context.Context, c *call) (int, error) {
	set, _ := flags("user add", c.stderr)
	name := set.String("name", "", "the person's name; without it the login")
	place := set.String("place", "", "place to which the person belongs and the roles are given; without it the ministry")
	var roles []rights.Role
	set.Func("role", "a role; may be given again", func(s string) error {
		if !rights.Role(s).Known() {
			return fmt.Errorf("roles are %v", rights.Roles)
		}
		roles = append(roles, rights.Role(s))
		return nil
	})
	rest, code, err := parse(set, c.args)
	if err != nil {
		return asked(code, err)
	}
	if len(rest) != 2 || rest[0] != "add" {
		return 2, errors.New("give: user add LOGIN")
	}
	if *name == "" {
		*name = rest[1]
	}
	where := playlist.ID(*place)
	if where == "" {
		if where, err = c.hub.Desk.Root(ctx); err != nil {
			return 1, err
		}
	}
	if err := addPerson(ctx, c.hub, desk.Account{Login: rest[1], Name: *name, Place: where}, c.secret, roles); err != nil {
		return failed(err)
	}
	how := "with a password"
	if c.secret == "" {
		how = "without a password: the person signs in through the OpenID provider"
	}
	fmt.Fprintf(c.out, "%s was added, %s\n", rest[1], how)
	return 0, nil
}

// caller is the account that a command works as; the console without one.
func caller(ctx context.Context, h *server.Hub, login string) (desk.Caller, error) {
	if login == "" {
		return consoleCaller, nil
	}
	return h.Desk.As(ctx, login)
}

// meter says how far something is, at most twice a second, on one line.
type meter struct {
	out  io.Writer
	what string
	last time.Time
}

func (m *meter) report(done, total int) {
	if time.Since(m.last) > 500*time.Millisecond || done == total {
		m.last = time.Now()
		fmt.Fprintf(m.out, "%s: %d of %d\n", m.what, done, total)
	}
}

func importFolder(ctx context.Context, c *call) (int, error) {
	set, _ := flags("import", c.stderr)
	as := set.String("as", "", "account that brings the content; without it the console")
	reviewer := set.String("reviewer", "", "account that approves it; never the one that brings it")
	owner := set.String("owner", "", "place that will own rows without an owner; without it the ministry")
	rest, code, err := parse(set, c.args)
	if err != nil {
		return asked(code, err)
	}
	if len(rest) != 1 {
		return 2, errors.New("give the content folder")
	}
	by, err := caller(ctx, c.hub, *as)
	if err != nil {
		return failed(err)
	}
	place := playlist.ID(*owner)
	if place == "" {
		if place, err = c.hub.Desk.Root(ctx); err != nil {
			return 1, err
		}
	}
	folder, err := content.Read(c.path(rest[0]))
	if err != nil {
		return 1, err
	}
	defer folder.Close()
	if err := takeFiles(ctx, c, by, place, folder); err != nil {
		return failed(err)
	}
	rows := &meter{out: c.stderr, what: "rows"}
	done, err := c.hub.Desk.Import(ctx, by, folder.Rows, place, rows.report)
	if err != nil {
		return failed(err)
	}
	fmt.Fprintf(c.out, "%d rows are new, %d changed, %d were here; %d drafts\n", done.Created, done.Changed, done.Same, len(done.Versions))
	if *reviewer == "" {
		return 0, nil
	}
	return failed(approveAll(ctx, c, by, *reviewer, folder.Rows))
}

// takeFiles brings the folder's files through the gate.
func takeFiles(ctx context.Context, c *call, by desk.Caller, owner playlist.ID, folder *content.Folder) error {
	files := &meter{out: c.stderr, what: "files"}
	for n, m := range folder.Rows.Media {
		f, err := c.hub.Worker.TakeIn(ctx, by, owner, filepath.Base(m.Path), filepath.Join(folder.Dir, m.Path))
		if err != nil {
			return fmt.Errorf("%s: %w", m.Path, err)
		}
		if f.SHA256 != m.SHA256 {
			return fmt.Errorf("%s is not what content.json says: its hash is %.12s…", m.Path, f.SHA256)
		}
		files.report(n+1, len(folder.Rows.Media))
	}
	return nil
}

// approveAll waits for the folder's files, submits its drafts as the one who
// brought them and has the reviewer approve them and its gate facts: the same
// steps that two people would take, with the same rules. What else waits in the
// hub is left alone.
func approveAll(ctx context.Context, c *call, by desk.Caller, login string, rows playlist.Rows) error {
	reviewer, err := c.hub.Desk.As(ctx, login)
	if err != nil {
		return err
	}
	if err := finishJobs(ctx, c, rows.Media); err != nil {
		return err
	}
	approved := &meter{out: c.stderr, what: "approved"}
	for n, item := range rows.Items {
		docs, err := c.hub.Desk.Versions(ctx, consoleCaller, item.ID)
		if err != nil {
			return err
		}
		for _, d := range docs {
			if err := approveOne(ctx, c, by, reviewer, d, rows.Versions); err != nil {
				return err
			}
		}
		approved.report(n+1, len(rows.Items))
	}
	return approveObjects(ctx, c, reviewer, rows)
}

// approveOne brings a version of the folder's languages on, from wherever it
// stands: a run that was cut off is taken up again.
func approveOne(ctx context.Context, c *call, by, reviewer desk.Caller, d central.Doc, brought []playlist.Version) error {
	v, err := central.Decode[desk.Version](d)
	if err != nil {
		return err
	}
	mine := slices.ContainsFunc(brought, func(b playlist.Version) bool { return b.Item == v.Item && b.Language == v.Language })
	if !mine || !slices.Contains(v.Authors, by.Account) {
		return nil
	}
	rev := d.Rev
	if v.State == playlist.Draft {
		sent, err := c.hub.Desk.Submit(ctx, by, d.ID, d.Rev)
		if err != nil {
			return err
		}
		rev, v.State = sent.Rev, playlist.InReview
	}
	if v.State != playlist.InReview {
		return nil
	}
	_, err = c.hub.Desk.Approve(ctx, reviewer, d.ID, rev)
	return err
}

// approveObjects approves the folder's gate facts and items that wait for the
// reviewer.
func approveObjects(ctx context.Context, c *call, reviewer desk.Caller, rows playlist.Rows) error {
	brought := map[playlist.ID]bool{}
	for _, f := range rows.Facts {
		brought[f.ID] = true
	}
	for _, i := range rows.Items {
		brought[i.ID] = true
	}
	queue, err := c.hub.Desk.Queue(ctx, reviewer)
	if err != nil {
		return err
	}
	for _, w := range queue {
		if w.Mine && w.Kind != central.Versions && brought[w.ID] {
			if _, err := c.hub.Desk.ApproveObject(ctx, reviewer, w.Kind, w.ID, w.Rev); err != nil {
				return err
			}
		}
	}
	return nil
}

// finishJobs waits until no work on the files is left, and does it itself where
// no worker runs beside.
func finishJobs(ctx context.Context, c *call, files []playlist.Media) error {
	said := -1
	for {
		worked, err := c.hub.Worker.One(ctx)
		if err != nil {
			return err
		}
		left := 0
		for _, m := range files {
			f, err := c.hub.Desk.File(ctx, m.SHA256)
			if err != nil {
				return err
			}
			if f.State == desk.FileWorking {
				left++
			}
		}
		if left == 0 {
			return nil
		}
		if said != left {
			said = left
			fmt.Fprintf(c.stderr, "renditions: %d left\n", said)
		}
		if !worked {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(500 * time.Millisecond):
			}
		}
	}
}

func publishScopes(ctx context.Context, c *call) (int, error) {
	set, _ := flags("publish", c.stderr)
	scope := set.String("scope", "", "the ministry or a province; without it all of them together")
	as := set.String("as", "", "account that publishes; without it the console")
	force := set.Bool("force", false, "publish although a display may not keep all of it")
	asJSON := set.Bool("json", false, "print JSON")
	rest, code, err := parse(set, c.args)
	if err != nil {
		return asked(code, err)
	}
	if len(rest) > 0 {
		return 2, errors.New("publish takes flags only")
	}
	by, err := caller(ctx, c.hub, *as)
	if err != nil {
		return failed(err)
	}
	scopes := []playlist.ID{playlist.ID(*scope)}
	if *scope == "" {
		if scopes, err = everyScope(ctx, c.hub); err != nil {
			return failed(err)
		}
	}
	all, err := c.hub.Desk.Publish(ctx, by, scopes, *force)
	if err != nil {
		return failed(err)
	}
	if err := c.hub.Distribute(ctx); err != nil {
		return failed(err)
	}
	if *asJSON {
		return failed(printJSON(c.out, all))
	}
	for _, p := range all {
		printPublication(c.out, p)
	}
	waits, err := c.hub.Desk.Requests(ctx)
	for _, q := range waits {
		if left := q.Need - len(q.Have); left > 0 {
			fmt.Fprintf(c.out, "%s version %d waits for %d more signatures: hub sign --key KEY\n", q.Role, q.Version, left)
		} else {
			fmt.Fprintf(c.out, "%s version %d is signed and waits for the root or targets that trust its keys\n", q.Role, q.Version)
		}
	}
	return failed(err)
}

func printPublication(out io.Writer, p desk.Publication) {
	if p.Unheld {
		fmt.Fprintf(out, "%s: NO KIOSK WILL SHOW THIS: nobody holds the scope's role of trust; give it to its keys with hub trust set\n", p.Scope)
	}
	if p.Unchanged {
		fmt.Fprintf(out, "%s: nothing changed since edition %d\n", p.Scope, p.Number)
		return
	}
	fmt.Fprintf(out, "%s: edition %d, %d rows, %d versions are new, %d withdrawn\n", p.Scope, p.Number, p.Rows, len(p.Published), p.Withdrawn)
	for _, h := range p.Held {
		fmt.Fprintf(out, "  %s %s: %s\n", h.Kind, h.ID, h.Why)
	}
}

// everyScope lists the ministry and the provinces.
func everyScope(ctx context.Context, h *server.Hub) ([]playlist.ID, error) {
	places, err := h.Desk.Scopes(ctx)
	var out []playlist.ID
	for _, p := range places {
		out = append(out, p.ID)
	}
	return out, err
}

func status(ctx context.Context, c *call) (int, error) {
	set, _ := flags("status", c.stderr)
	asJSON := set.Bool("json", false, "print JSON")
	rest, code, err := parse(set, c.args)
	if err != nil {
		return asked(code, err)
	}
	if len(rest) > 0 {
		return 2, errors.New("status takes flags only")
	}
	s, err := c.hub.Status(ctx)
	if err != nil {
		return failed(err)
	}
	if *asJSON {
		return failed(printJSON(c.out, s))
	}
	fmt.Fprintf(c.out, "health: %s, %d MB free, %d dead jobs\n", s.Health.Status, s.Health.FreeMB, s.Health.DeadJobs)
	for _, k := range []string{"place", "display", "item", "version", "version in review", "version approved", "playlist", "schedule", "file", "account"} {
		fmt.Fprintf(c.out, "%s: %d\n", k, s.Counts[k])
	}
	fmt.Fprintf(c.out, "audit: %d rows\n", s.Audit)
	for _, e := range s.Editions {
		fmt.Fprintf(c.out, "edition %d of %s (%s), %s\n", e.Number, e.Scope, e.Name, e.At.Local().Format("2006-01-02 15:04"))
	}
	return 0, nil
}

func backup(ctx context.Context, c *call) (int, error) {
	set, _ := flags("backup", c.stderr)
	rest, code, err := parse(set, c.args)
	if err != nil {
		return asked(code, err)
	}
	if len(rest) != 1 {
		return 2, errors.New("give the folder to which the backup goes")
	}
	files := &meter{out: c.stderr, what: "files"}
	m, err := c.hub.Backup(ctx, c.path(rest[0]), files.report)
	if err != nil {
		return failed(err)
	}
	fmt.Fprintf(c.out, "The backup of %s holds %d files, %d MB. It holds the audit's key as well: lock it away.\n", m.At.Format(time.RFC3339), m.Files, m.Bytes>>20)
	return 0, nil
}

func restore(ctx context.Context, args []string, out, stderr io.Writer) (int, error) {
	set, data := flags("restore", stderr)
	rest, code, err := parse(set, args)
	if err != nil {
		return asked(code, err)
	}
	if *data == "" || len(rest) != 1 {
		return 2, errors.New("give the backup's folder and --data DIR, an empty or new one")
	}
	files := &meter{out: stderr, what: "files"}
	m, err := server.Restore(ctx, rest[0], *data, files.report)
	if err != nil {
		return failed(err)
	}
	fmt.Fprintf(out, "The hub of %s is restored: %d files, the audit holds.\n", m.At.Format(time.RFC3339), m.Files)
	return 0, nil
}

func verifyAudit(ctx context.Context, args []string, out, stderr io.Writer) (int, error) {
	set, data := flags("audit verify", stderr)
	key := set.String("key", "", "public key that was kept elsewhere")
	checkpoints := set.String("checkpoints", "", "checkpoint file that was kept elsewhere")
	asJSON := set.Bool("json", false, "print JSON")
	rest, code, err := parse(set, args)
	if err != nil {
		return asked(code, err)
	}
	if *data == "" || len(rest) != 1 || rest[0] != "verify" {
		return 2, errors.New("give: audit verify --data DIR")
	}
	r, err := server.VerifyAudit(ctx, *data, *key, *checkpoints)
	if err != nil {
		return 1, err
	}
	if *asJSON {
		return failed(printJSON(out, r))
	}
	fmt.Fprintf(out, "%d rows hold together, %d of them under %d signed checkpoints", r.Rows, r.Signed, r.Checkpoints)
	if r.Rows > 0 {
		fmt.Fprintf(out, ", from %s to %s", r.First.Format(time.RFC3339), r.Last.Format(time.RFC3339))
	}
	fmt.Fprintln(out)
	return 0, nil
}

// openapi prints the description of the API without a hub.
func openapi(_ context.Context, out io.Writer) (int, error) {
	s, _ := api.New(api.Options{Desk: desk.New(desk.Options{Now: time.Now})})
	_, err := out.Write(s.OpenAPI())
	return failed(err)
}
