package sqlite_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/central/centraltest"
	"cotmoc/hub/server/sqlite"
)

func open(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	centraltest.Run(t,
		func(t *testing.T, dir string) central.Store { return open(t, filepath.Join(dir, "ký hiệu #1?.db")) },
		func(t *testing.T, path string) central.Store { return open(t, path) })
}

func TestReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	if _, err := sqlite.OpenReadOnly(t.Context(), path); err == nil {
		t.Error("a database that is not there was opened")
	}
	w := open(t, path)
	defer w.Close()
	r, err := sqlite.OpenReadOnly(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	err = r.Write(t.Context(), func(central.Tx) error { return nil })
	if err == nil {
		t.Error("a store for looking took a transaction")
	}
}

func TestDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	s := open(t, path)
	err := s.Write(t.Context(), func(tx central.Tx) error {
		_, err := tx.Put(t.Context(), central.Doc{Kind: central.Items, ID: "i", At: centraltest.Now})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string][]byte{
		"not a database": []byte(strings.Repeat("no database ", 1000)),
		"torn":           raw[:len(raw)/2],
		"zeroed pages":   append(append([]byte{}, raw[:4096]...), make([]byte, len(raw)-4096)...),
	} {
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := sqlite.Open(t.Context(), path); err == nil {
			s.Close()
			t.Errorf("%s: it was opened", name)
		}
		if now, _ := os.ReadFile(path); len(now) != len(damaged) {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

func TestNewer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	open(t, path).Close()
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("INSERT INTO goose_db_version(version_id,is_applied) VALUES(99,1)"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	if _, err := sqlite.Open(t.Context(), path); err == nil || !strings.Contains(err.Error(), "newer program") {
		t.Errorf("%v", err)
	}
}
