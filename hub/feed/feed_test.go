package feed

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func row(kind, id, body string) Row {
	raw, err := Canonical([]byte(body))
	if err != nil {
		panic(err)
	}
	return Row{kind, id, raw}
}

func TestCanonical(t *testing.T) {
	for in, want := range map[string]string{
		` {"b":1, "a":[1,2 , {"y":"<&>","x":null}]} `: `{"a":[1,2,{"x":null,"y":"<&>"}],"b":1}`,
		`12345678901234567890.10`:                     `12345678901234567890.10`,
		`"é"`:                                         `"é"`,
	} {
		got, err := Canonical([]byte(in))
		if err != nil || string(got) != want {
			t.Errorf("%s: %s %v", in, got, err)
		}
		if again, _ := Canonical(got); !bytes.Equal(again, got) {
			t.Errorf("%s is not its own canonical form: %s", got, again)
		}
	}
	for _, in := range []string{``, `{`, `{} {}`, `nonsense`} {
		if _, err := Canonical([]byte(in)); err == nil {
			t.Errorf("%q was taken", in)
		}
	}
}

func TestDiff(t *testing.T) {
	old := []Row{row("item", "a", `{"id":"a","title":"một","n":1,"deep":{"x":1,"y":2}}`), row("item", "b", `{"id":"b"}`), row("item", "c", `{"id":"c"}`)}
	now := []Row{row("item", "a", `{"id":"a","title":"hai","deep":{"x":1,"z":3}}`), row("item", "c", `{"id":"c"}`), row("item", "d", `{"id":"d"}`)}
	changes, err := Diff(old, now)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := json.Marshal(changes)
	want := `[{"kind":"item","id":"a","row":{"deep":{"x":1,"z":3},"id":"a","title":"hai"}},{"kind":"item","id":"b","drop":true},{"kind":"item","id":"d","row":{"id":"d"}}]`
	if string(raw) != want { // a patch would be longer than so short a row
		t.Errorf("got %s", raw)
	}
	long := bytes.Repeat([]byte("x"), 500)
	old = []Row{row("item", "a", fmt.Sprintf(`{"text":%q,"title":"một","n":1,"deep":{"x":1,"y":2}}`, long))}
	now = []Row{row("item", "a", fmt.Sprintf(`{"text":%q,"title":"hai","deep":{"x":1}}`, long))}
	changes, err = Diff(old, now)
	raw, _ = json.Marshal(changes)
	if want := `[{"kind":"item","id":"a","patch":{"deep":{"y":null},"n":null,"title":"hai"}}]`; err != nil || string(raw) != want {
		t.Errorf("got %s %v", raw, err)
	}
}

func rows(t *rapid.T, label string) []Row {
	value := rapid.SampledFrom([]string{`1`, `"x"`, `[1,2]`, `[1,{"a":null}]`, `null`, `{"a":1}`, `{"a":1,"b":{"c":2}}`, `{"a":null}`, `{}`, `"` + string(bytes.Repeat([]byte("long "), 30)) + `"`})
	body := rapid.Custom(func(t *rapid.T) string {
		return fmt.Sprintf(`{"p":%s,"q":%s,"r":%s}`, value.Draw(t, "p"), value.Draw(t, "q"), value.Draw(t, "r"))
	})
	ids := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d", "ế"}), 0, 5, rapid.ID).Draw(t, label)
	var out []Row
	for _, id := range ids {
		out = append(out, row(rapid.SampledFrom([]string{"item", "version"}).Draw(t, "kind"), id, body.Draw(t, "body")))
	}
	if err := Sort(out); err != nil {
		t.Fatal(err)
	}
	return out
}

// Whatever two editions hold, the delta leads from one to the other, and the
// catalogue hash tells any two editions apart.
func TestApplyUndoesDiff(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		old, now := rows(t, "old"), rows(t, "now")
		changes, err := Diff(old, now)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(Delta{Format: Format, Changes: changes}) // over the wire
		if err != nil {
			t.Fatal(err)
		}
		var d Delta
		if err := json.Unmarshal(raw, &d); err != nil {
			t.Fatal(err)
		}
		got, err := Apply(old, d.Changes)
		if err != nil {
			t.Fatal(err)
		}
		equal := slices.EqualFunc(got, now, func(a, b Row) bool { return a.Kind == b.Kind && a.ID == b.ID && bytes.Equal(a.Row, b.Row) })
		if !equal || Sum(got).Catalogue() != Sum(now).Catalogue() {
			t.Fatalf("from %v by %s to %v, not %v", old, raw, got, now)
		}
		if (len(changes) == 0) != (Sum(old).Catalogue() == Sum(now).Catalogue()) {
			t.Fatal("two catalogues that differ have one hash, or one has two")
		}
	})
}

func TestApplyRefuses(t *testing.T) {
	for _, c := range []Change{{Kind: "item", ID: "x", Patch: []byte(`{}`)}, {Kind: "item", ID: "x", Row: []byte(`{`)}, {Kind: "item", ID: "x"}} {
		if _, err := Apply(nil, []Change{c}); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
	if Sort([]Row{row("a", "b", "1"), row("a", "b", "2")}) == nil {
		t.Error("two rows with one name were taken")
	}
}

func TestHead(t *testing.T) {
	sum := Sum(nil).Catalogue()
	h := Head{Format: Format, Scope: "vn", Number: 1, Catalogue: sum, Buckets: Ref{SHA256: sum}, Snapshot: Ref{SHA256: sum}, Parts: Ref{SHA256: sum}, IssuedAt: time.Unix(0, 0)}
	if err := h.Check(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Head){
		"format": func(h *Head) { h.Format = "x" }, "scope": func(h *Head) { h.Scope = "" }, "number": func(h *Head) { h.Number = 0 },
		"catalogue": func(h *Head) { h.Catalogue = "00" }, "snapshot": func(h *Head) { h.Snapshot.SHA256 = "zz" }, "rows": func(h *Head) { h.Rows = -1 },
	} {
		bad := h
		change(&bad)
		if bad.Check() == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
}

func TestChunkTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := ChunkTable{}
		for range rapid.IntRange(0, 20).Draw(t, "n") {
			c := Chunk{Bytes: rapid.Uint32Range(1, 16<<20).Draw(t, "bytes")}
			c.SHA256[3] = byte(c.Bytes)
			table.Chunks = append(table.Chunks, c)
		}
		raw, err := table.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var back ChunkTable
		if err := back.UnmarshalBinary(raw); err != nil || !slices.Equal(back.Chunks, table.Chunks) || back.Size() != table.Size() {
			t.Fatalf("%v %v", back, err)
		}
	})
	var table ChunkTable
	good, _ := ChunkTable{Chunks: []Chunk{{Bytes: 1}}}.MarshalBinary()
	zero, _ := ChunkTable{Chunks: []Chunk{{Bytes: 0}}}.MarshalBinary()
	huge, _ := ChunkTable{Chunks: []Chunk{{Bytes: 1 << 30}}}.MarshalBinary()
	for _, raw := range [][]byte{nil, good[:len(good)-1], append(good, 0), zero, huge, []byte("x")} {
		if table.UnmarshalBinary(raw) == nil {
			t.Errorf("%.20q was taken", raw)
		}
	}
	if HexName([32]byte{}) != fmt.Sprintf("%064d", 0) {
		t.Error("the name of a hash of zeroes is not 64 zeroes")
	}
}

func FuzzApply(f *testing.F) {
	f.Add([]byte(`[{"kind":"item","id":"a","row":{"b":1}},{"kind":"item","id":"a","patch":{"b":null}},{"kind":"x","id":"y","drop":true}]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var changes []Change
		if json.Unmarshal(raw, &changes) != nil {
			return
		}
		got, err := Apply([]Row{row("item", "z", `{"a":{"b":[1]}}`)}, changes)
		if err == nil && !slices.IsSortedFunc(got, order) {
			t.Error("rows came out of order")
		}
	})
}
