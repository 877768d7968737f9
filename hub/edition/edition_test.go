package edition

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"

	"cotmoc/hub/feed"
	"cotmoc/playlist"
)

func sample(t *testing.T) playlist.Rows {
	t.Helper()
	dir := os.Getenv("COTMOC_SAMPLE")
	if dir == "" {
		t.Skip("COTMOC_SAMPLE names no content folder")
	}
	raw, err := os.ReadFile(filepath.Join(dir, "content.json"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := playlist.DecodeRows(raw)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// Every field of every kind survives the journey: the catalogue that arrives is
// the one that left.
func TestRoundTrip(t *testing.T) {
	want := sample(t)
	for n := range want.Versions {
		v, err := playlist.NewVersion(want.Versions[n])
		if err != nil {
			t.Fatal(err)
		}
		want.Versions[n] = v
	}
	seen := map[playlist.Hash]bool{}
	want.Media = slices.DeleteFunc(want.Media, func(m playlist.Media) bool { twice := seen[m.SHA256]; seen[m.SHA256] = true; return twice })
	for n := range want.Mandatory {
		want.Mandatory[n], _ = playlist.NewMandatory(want.Mandatory[n])
	}
	want.Items[0].Source = "<Báo> & \u2028 \"đài\" 😀"
	rows, err := Rows(want)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := Pack(rows)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := Pack(rows)
	if !bytes.Equal(packed, again) {
		t.Error("the same rows are packed in two ways")
	}
	var back []feed.Row
	if err := Unpack(packed, &back); err != nil {
		t.Fatal(err)
	}
	if feed.Sum(back) != feed.Sum(rows) {
		t.Error("rows came back as other bytes")
	}
	got, err := Catalogue(back)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := playlist.NewCatalogue(got); err != nil {
		t.Error(err)
	}
	a, b := reflect.ValueOf(want), reflect.ValueOf(got)
	for n := range a.NumField() {
		if a.Field(n).Kind() != reflect.Slice {
			continue
		}
		x, y := lines(t, a.Field(n)), lines(t, b.Field(n))
		if len(x) == 0 && a.Type().Field(n).Name != "Notices" && a.Type().Field(n).Name != "Calendars" {
			t.Errorf("the sample holds no %s", a.Type().Field(n).Name)
		}
		if !slices.Equal(x, y) {
			t.Errorf("%s: %d rows left, %d came", a.Type().Field(n).Name, len(x), len(y))
		}
	}
}

func lines(t *testing.T, v reflect.Value) (out []string) {
	t.Helper()
	for n := range v.Len() {
		raw, err := json.Marshal(v.Index(n).Interface())
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(raw))
	}
	slices.Sort(out)
	return out
}

func TestRefused(t *testing.T) {
	for _, r := range []feed.Row{{Kind: "virus", ID: "x", Row: []byte(`{}`)}, {Kind: "item", ID: "x", Row: []byte(`{"colour":1}`)}, {Kind: "item", ID: "x", Row: []byte(`[]`)}} {
		if _, err := Catalogue([]feed.Row{r}); err == nil {
			t.Errorf("%s %s was taken", r.Kind, r.Row)
		}
	}
	var v any
	var packed bytes.Buffer
	enc, err := zstd.NewWriter(&packed)
	if err != nil {
		t.Fatal(err)
	}
	for range MaxSnapshot>>20 + 1 {
		_, _ = enc.Write(bytes.Repeat([]byte(" "), 1<<20))
	}
	enc.Close()
	bomb := packed.Bytes()
	if len(bomb) > 1<<20 {
		t.Errorf("the bomb has %d bytes", len(bomb))
	}
	for name, raw := range map[string][]byte{"bomb": bomb, "nothing": nil, "noise": []byte("no zstd"), "cut": bomb[:len(bomb)/2]} {
		if Unpack(raw, &v) == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestChunks(t *testing.T) {
	data := make([]byte, 8<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	cut := func(b []byte) feed.ChunkTable {
		table, err := Chunks(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		return table
	}
	old := cut(data)
	if old.File != sha256.Sum256(data) || old.Size() != int64(len(data)) || len(old.Chunks) < 128 || len(old.Chunks) > 600 {
		t.Errorf("%d chunks of %d bytes", len(old.Chunks), old.Size())
	}
	at := 0
	for _, c := range old.Chunks {
		if sha256.Sum256(data[at:at+int(c.Bytes)]) != c.SHA256 {
			t.Fatalf("the chunk at %d is another one", at)
		}
		at += int(c.Bytes)
	}
	have := map[[32]byte]bool{}
	for _, c := range old.Chunks {
		have[c.SHA256] = true
	}
	// Bytes put in near the front: nearly all chunks stay what they were.
	edited := slices.Concat(data[:100_000], []byte("a few bytes more"), data[100_000:])
	fresh := 0
	for _, c := range cut(edited).Chunks {
		if !have[c.SHA256] {
			fresh += int(c.Bytes)
		}
	}
	if fresh > 512<<10 {
		t.Errorf("%d bytes are new after a small edit", fresh)
	}
	if len(cut(nil).Chunks) != 0 {
		t.Error("an empty file has chunks")
	}
	if _, err := Chunks(bytes.NewReader(data[:100]), 101); err == nil {
		t.Error("a file that is shorter than said was taken")
	}
}
