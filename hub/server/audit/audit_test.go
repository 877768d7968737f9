package audit

import (
	"context"
	"crypto/ed25519"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/sqlite"
)

var (
	now       = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	public, k = must(ed25519.GenerateKey(nil))
)

func must(p ed25519.PublicKey, k ed25519.PrivateKey, err error) (ed25519.PublicKey, ed25519.PrivateKey) {
	if err != nil {
		panic(err)
	}
	return p, k
}

// filled makes a chain of 20 rows with checkpoints at 10 and 20.
func filled(t *testing.T) (*sqlite.Store, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hub.db")
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for n := range 20 {
		err := s.Write(t.Context(), func(tx central.Tx) error {
			detail, _ := json.Marshal(map[string]int{"n": n})
			if err := Append(t.Context(), tx, Entry{At: now.Add(time.Duration(n) * time.Minute), By: "a", Act: "put", Outcome: Done, Detail: detail}); err != nil {
				return err
			}
			if n%10 != 9 {
				return nil
			}
			c, err := Checkpoint(t.Context(), tx, k, now)
			if err == nil && c == nil {
				t.Error("no checkpoint was made")
			}
			if again, _ := Checkpoint(t.Context(), tx, k, now); again != nil {
				t.Error("the same end was signed twice")
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return s, path
}

func verify(t *testing.T, s central.Store, key ed25519.PublicKey, outside ...central.Checkpoint) (r Report, err error) {
	t.Helper()
	_ = s.Read(t.Context(), func(rd central.Reader) error {
		r, err = Verify(t.Context(), rd, key, outside)
		return nil
	})
	return r, err
}

func TestVerify(t *testing.T) {
	s, _ := filled(t)
	r, err := verify(t, s, public)
	if err != nil || r.Rows != 20 || r.Checkpoints != 2 || r.Signed != 20 || !r.First.Equal(now) || !r.Last.Equal(now.Add(19*time.Minute)) {
		t.Errorf("%+v %v", r, err)
	}
	other, _ := must(ed25519.GenerateKey(nil))
	if _, err := verify(t, s, other); !errors.Is(err, ErrBroken) {
		t.Errorf("with another key: %v", err)
	}
}

func TestEmpty(t *testing.T) {
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hub.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if r, err := verify(t, s, public); err != nil || r.Rows != 0 {
		t.Errorf("%+v %v", r, err)
	}
	err = s.Write(t.Context(), func(tx central.Tx) error {
		c, err := Checkpoint(t.Context(), tx, k, now)
		if c != nil {
			t.Error("nothing was signed")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestTampering(t *testing.T) {
	for name, change := range map[string]string{
		"changed row":             "UPDATE audit SET row=replace(row,'\"by\":\"a\"','\"by\":\"b\"') WHERE seq=7",
		"changed hash":            "UPDATE audit SET hash=zeroblob(32) WHERE seq=7",
		"removed row":             "DELETE FROM audit WHERE seq=7",
		"first row removed":       "DELETE FROM audit WHERE seq=1",
		"end cut off":             "DELETE FROM audit WHERE seq>15",
		"all removed":             "DELETE FROM audit",
		"row slipped in":          "INSERT INTO audit VALUES(21,'{\"seq\":21}',zeroblob(32))",
		"two rows exchanged":      "UPDATE audit SET row=(SELECT row FROM audit WHERE seq=8) WHERE seq=7",
		"checkpoint forged":       "UPDATE checkpoint SET hash=zeroblob(32) WHERE seq=10",
		"checkpoint moved":        "UPDATE checkpoint SET seq=11 WHERE seq=10",
		"checkpoint dated anew":   "UPDATE checkpoint SET at='2020-01-01T00:00:00Z' WHERE seq=10",
		"signature of other date": "UPDATE checkpoint SET signature=(SELECT signature FROM checkpoint WHERE seq=20) WHERE seq=10",
	} {
		t.Run(name, func(t *testing.T) {
			s, path := filled(t)
			db, err := sql.Open("sqlite3", path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if res, err := db.Exec(change); err != nil {
				t.Fatal(err)
			} else if n, _ := res.RowsAffected(); n == 0 {
				t.Fatal("nothing was changed")
			}
			if _, err := verify(t, s, public); !errors.Is(err, ErrBroken) {
				t.Errorf("it was not found: %v", err)
			}
		})
	}
}

// Whoever holds the key can make a whole new chain: only a checkpoint that was
// kept elsewhere shows it.
func TestRewrittenChain(t *testing.T) {
	s, _ := filled(t)
	var kept []central.Checkpoint
	_ = s.Read(t.Context(), func(r central.Reader) (err error) { kept, err = r.Checkpoints(t.Context(), 0); return err })
	raw := ""
	for _, c := range kept {
		line, _ := json.Marshal(c)
		raw += string(line) + "\n"
	}
	parsed, err := ParseCheckpoints([]byte(raw + "\n"))
	if err != nil || len(parsed) != 2 {
		t.Fatalf("%v %v", parsed, err)
	}
	if r, err := verify(t, s, public, parsed...); err != nil || r.Outside != 2 {
		t.Errorf("%+v %v", r, err)
	}
	forged, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "forged.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer forged.Close()
	for n := range 25 {
		err := forged.Write(context.Background(), func(tx central.Tx) error {
			return Append(t.Context(), tx, Entry{At: now, Act: fmt.Sprint("other ", n), Outcome: Done})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := verify(t, forged, public); err != nil {
		t.Errorf("the forged chain should hold by itself: %v", err)
	}
	if _, err := verify(t, forged, public, parsed...); !errors.Is(err, ErrBroken) {
		t.Errorf("%v", err)
	}
	if _, err := ParseCheckpoints([]byte("{\n")); err == nil {
		t.Error("a broken line was taken")
	}
}
