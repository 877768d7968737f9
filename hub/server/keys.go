package server

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/trust"
	"cotmoc/internal/atomicfile"
	"cotmoc/playlist"
)

// Keys of a hub's folder. The online ones are the hub's own. The keys of a
// demonstration lie beside the data, where no real key may ever lie.
const (
	onlineKeys = "keys/online"
	demoKeys   = "keys/demo"
)

var onlineRoles = []string{trust.Snapshot, trust.Timestamp, trust.Assignment, authorityKey}

// makeOnlineKeys makes the hub's own keys, those that are missing.
func makeOnlineKeys(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, onlineKeys), 0o700); err != nil {
		return fmt.Errorf("online keys: %w", err)
	}
	for _, role := range onlineRoles {
		if _, err := makeKey(filepath.Join(dir, onlineKeys, role+".key")); err != nil {
			return err
		}
	}
	return nil
}

// makeKey makes a key file and returns its public half; a file that is there stays.
func makeKey(path string) (trust.Key, error) {
	if key, err := readKeyFile(path); err == nil {
		return trust.Public(key)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return trust.Key{}, err
	}
	public, file, err := trust.NewKey("")
	if err != nil {
		return public, err
	}
	return public, atomicfile.Write(path, file, 0o600)
}

func readKeyFile(path string) (ed25519.PrivateKey, error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	key, err := trust.ReadKey(file, "")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

func readOnlineKeys(dir string) (desk.OnlineKeys, ed25519.PrivateKey, error) {
	var keys [4]ed25519.PrivateKey
	for n, role := range onlineRoles {
		var err error
		if keys[n], err = readKeyFile(filepath.Join(dir, onlineKeys, role+".key")); err != nil {
			return desk.OnlineKeys{}, nil, err
		}
	}
	return desk.OnlineKeys{Snapshot: keys[0], Timestamp: keys[1], Assignment: keys[2]}, keys[3], nil
}

// Demo says whether the hub's signing keys lie beside its data.
func (h *Hub) Demo() bool {
	_, err := os.Stat(filepath.Join(h.Dir, demoKeys))
	return err == nil
}

// StartDemoTrust makes keys for every role beside the data and a root of trust with
// them: for trying out, and for nothing else.
func (h *Hub) StartDemoTrust(ctx context.Context) error {
	dir := filepath.Join(h.Dir, demoKeys)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("demonstration keys: %w", err)
	}
	one := func(role string) (trust.Holders, error) {
		k, err := makeKey(filepath.Join(dir, role+".key"))
		return trust.Holders{Keys: []trust.Key{k}, Threshold: 1}, err
	}
	root, err1 := one(trust.Root)
	targets, err2 := one(trust.Targets)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	by := desk.Caller{Account: desk.Console, Login: string(desk.Console), From: "console"}
	if _, err := h.Desk.StartTrust(ctx, by, map[string]trust.Holders{trust.Root: root, trust.Targets: targets}, h.online); err != nil {
		return err
	}
	if err := h.signDemo(ctx); err != nil {
		return err
	}
	scopes, err := h.Desk.Scopes(ctx)
	if err != nil {
		return err
	}
	roles := map[string]trust.Holders{}
	for _, s := range scopes {
		if s.Kind == playlist.Province {
			if roles[string(s.ID)], err = one(string(s.ID)); err != nil {
				return err
			}
		}
	}
	if roles[trust.Emergency], err = one(trust.Emergency); err != nil {
		return err
	}
	if err := h.delegateAssignment(roles); err != nil {
		return err
	}
	if err := h.Desk.Delegate(ctx, by, roles); err != nil {
		return err
	}
	return h.Distribute(ctx)
}

// delegateAssignment adds the hub's own key for assignments.
func (h *Hub) delegateAssignment(roles map[string]trust.Holders) error {
	k, err := trust.Public(h.online.Assignment)
	if err != nil {
		return err
	}
	roles[trust.Assignment] = trust.Holders{Keys: []trust.Key{k}, Threshold: 1}
	return nil
}

// StartTrust prepares the first root, or the next.
func (h *Hub) StartTrust(ctx context.Context, by desk.Caller, roles map[string]trust.Holders) (desk.Request, error) {
	return h.Desk.StartTrust(ctx, by, roles, h.online)
}

// CorrectClocks prepares the next root, which sets kiosks' clocks back.
func (h *Hub) CorrectClocks(ctx context.Context, by desk.Caller, to time.Time) (desk.Request, error) {
	return h.Desk.CorrectClocks(ctx, by, h.online, to)
}

// Held says why nothing is signed, or nil.
func (h *Hub) Held() *desk.Hold { return h.clock.Held() }

// Delegate prepares the ministry's metadata that trusts holders with roles; the
// hub's own key for assignments is among them.
func (h *Hub) Delegate(ctx context.Context, by desk.Caller, roles map[string]trust.Holders) error {
	if err := h.delegateAssignment(roles); err != nil {
		return err
	}
	return h.Desk.Delegate(ctx, by, roles)
}

// signDemo signs whatever waits with the demonstration's keys.
func (h *Hub) signDemo(ctx context.Context, roles ...string) error {
	if !h.Demo() {
		return nil
	}
	requests, err := h.Desk.Requests(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, q := range requests {
		if len(roles) > 0 && !slices.Contains(roles, q.Role) {
			continue
		}
		key, err := readKeyFile(filepath.Join(h.Dir, demoKeys, q.Role+".key"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && mayStillSign(q, key) {
			_, err = h.Sign(ctx, desk.Caller{Account: desk.Console, Login: "demonstration", From: "hub"}, q, key)
		}
		if !errors.Is(err, central.ErrNotFound) && !errors.Is(err, central.ErrChanged) && !errors.Is(err, desk.ErrWriting) { // it was signed or replaced meanwhile, or comes next
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// mayStillSign says whether a request is for a key, and lacks its signature: one that waits
// for others, or for the key that replaced this one, is not signed again each minute.
func mayStillSign(q desk.Request, key ed25519.PrivateKey) bool {
	public, err := trust.Public(key)
	return err == nil && slices.Contains(q.Keys, public.ID) && !slices.Contains(q.Have, public.ID)
}

// Sign signs a request with a key.
func (h *Hub) Sign(ctx context.Context, by desk.Caller, q desk.Request, key ed25519.PrivateKey) (desk.Request, error) {
	raw, err := trust.Sign(q.Raw, key)
	if err != nil {
		return q, err
	}
	public, err := trust.Public(key)
	if err != nil {
		return q, err
	}
	all, err := trust.Signatures(raw)
	if err != nil {
		return q, err
	}
	for _, s := range all {
		if s.KeyID == public.ID {
			return h.Desk.AddSignature(ctx, by, q.Role, q.Version, s)
		}
	}
	return q, errors.New("the signature was not made")
}

// Distribute brings what kiosks may fetch up to date: editions' files, what waits
// for signatures, the snapshot and the timestamp, and what each machine is told to hold.
// It is what makes a change visible to kiosks; it may be cut off at any moment and done
// again. A step that fails for one office keeps no other from going out.
func (h *Hub) Distribute(ctx context.Context) error {
	return errors.Join(h.send(ctx), h.reassign(ctx))
}

// send is Distribute without the machines' assignments, which take their time where many
// change: no notice waits for them.
func (h *Hub) send(ctx context.Context) error {
	urgent := h.sendUrgent(ctx)
	_, err := h.Desk.WriteEditions(ctx, h.Public) // before anything signed names them
	err = errors.Join(urgent, err)
	h.signing.Lock()
	defer h.signing.Unlock()
	if clock := h.clock.Check(); clock != nil { // whatever is signed now would say a wrong time
		return errors.Join(err, clock)
	}
	err = errors.Join(err, h.Desk.Prepare(ctx))
	if h.Demo() {
		err = errors.Join(err, h.signDemo(ctx))
		err = errors.Join(err, h.Desk.Prepare(ctx)) // what could not be held before
		err = errors.Join(err, h.signDemo(ctx))
	}
	return errors.Join(err, h.witness(ctx))
}

// sendUrgent brings out what the duty officers say, and nothing else: a notice waits for no
// edition that is written, which takes minutes where it brings large films.
func (h *Hub) sendUrgent(ctx context.Context) error {
	defer h.Desk.UrgentIsOut()
	h.signing.Lock()
	defer h.signing.Unlock()
	if h.clock.Check() != nil { // said where everything is sent
		return nil
	}
	if err := errors.Join(h.Desk.PrepareEmergency(ctx), h.signDemo(ctx, trust.Emergency)); err != nil {
		return err
	}
	return h.witness(ctx)
}

// witness signs and publishes what roles say, and tells the kiosks that wait.
func (h *Hub) witness(ctx context.Context) error {
	if err := h.Desk.Witness(ctx, h.online); err != nil {
		return err
	}
	files, timestamp, err := h.Desk.TrustFiles(ctx)
	if err != nil {
		return err
	}
	h.clock.Signed(trust.IssuedAt(timestamp))
	changed, err := h.Public.WriteTrust(files, timestamp, h.Desk.Now())
	if changed {
		h.announce(files, timestamp)
	}
	return err
}

// reassign tells the machines whose assignment changed.
func (h *Hub) reassign(ctx context.Context) error {
	h.reassigning.Lock()
	defer h.reassigning.Unlock()
	changed, err := h.Desk.Reassign(ctx)
	for _, id := range changed {
		h.Fleet.Changed(string(id))
	}
	return err
}

// overtake compares the database with what lies published: one that was put back from an
// older copy must give no number twice.
func (h *Hub) overtake(ctx context.Context) error {
	highest, roots, err := h.Public.Numbers()
	if err != nil {
		return err
	}
	published := map[playlist.ID]int64{}
	for name, number := range highest {
		published[playlist.ID(name)] = number
	}
	lost, err := h.Desk.Overtake(ctx, published, roots)
	if len(lost) > 0 {
		h.Log.Warn("The database is older than what this hub has published: numbers go on beyond it, and what was made since is to be made again", "ahead", lost)
	}
	return err
}
