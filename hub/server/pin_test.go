package server_test

import (
	"path/filepath"
	"testing"

	"cotmoc/hub/server/desk"
	"cotmoc/hub/server/rights"
	"cotmoc/hub/server/seed"
	"cotmoc/internal/phc"
	"cotmoc/playlist"
)

// One PIN opens the staff's page on every machine of a place and below it. It is kept as
// a hash, other settings leave it alone, and a plain one is refused.
func TestPINForManyMachines(t *testing.T) {
	f := startFleet(t, filepath.Join(t.TempDir(), "hub"))
	f.person("ky-thuat", seed.Ministry, rights.Technician)
	f.person("bien-tap", seed.Ministry, rights.Author)
	technician, err := f.Desk.As(t.Context(), "ky-thuat")
	f.must(err)
	author, err := f.Desk.As(t.Context(), "bien-tap")
	f.must(err)
	id, _ := f.enrol(t.TempDir())
	root, err := f.Desk.Root(t.Context())
	f.must(err)
	for _, bad := range []string{"1", "123456", "111111", "abcdef", "1234567890123"} {
		if _, err := f.Desk.SetPIN(t.Context(), technician, root, bad); playlist.CodeOf(err) != playlist.CodeInvalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := f.Desk.SetPIN(t.Context(), author, root, "246813"); err == nil {
		t.Error("an author set it")
	}
	if _, err := f.Desk.SetPIN(t.Context(), technician, "nowhere", "246813"); err == nil {
		t.Error("a place that is not there")
	}
	before, err := f.Desk.Assignment(t.Context(), playlist.ID(id.Device))
	f.must(err)
	set, err := f.Desk.SetPIN(t.Context(), technician, root, "246813")
	if err != nil || len(set) != 1 || string(set[0]) != id.Device {
		t.Fatalf("%v %v", set, err)
	}
	_, err = f.Desk.Keep(t.Context(), technician, set[0], desk.Upkeep{Kbit: 512})
	f.must(err)
	a, err := f.Desk.Assignment(t.Context(), set[0])
	f.must(err)
	if ok, err := phc.Check(a.PIN, "246813"); !ok || err != nil || a.Kbit != 512 || a.Number <= before.Number {
		t.Errorf("%+v %v", a, err)
	}
	_, err = f.Desk.SetPIN(t.Context(), technician, gateplace, "")
	f.must(err)
	if a, err = f.Desk.Assignment(t.Context(), set[0]); err != nil || a.PIN != "" {
		t.Errorf("%+v %v", a, err)
	}
}
