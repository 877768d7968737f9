package rights

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cotmoc/playlist"
)

// The rights as the manual prints them: one row a role, one column an act.
const table = `
                  read write translate review plan publish withdraw alert configure audit administer
author              x     x        x
translator          x              x
reviewer            x                      x
publisher           x                            x       x        x
emergency-officer   x                                             x     x
technician                                                                    x
auditor             x                                                               x
administrator                                                                               x
`

// tree: vn > ls > hn > gate, vn > la.
func tree() *playlist.Catalogue {
	c := &playlist.Catalogue{Places: map[playlist.ID]playlist.Place{}}
	for id, parent := range map[playlist.ID]playlist.ID{"vn": "", "ls": "vn", "hn": "ls", "gate": "hn", "la": "vn"} {
		c.Places[id] = playlist.Place{ID: id, Parent: parent}
	}
	return c
}

// parse reads the table by the columns in which the marks stand.
func parse(t *testing.T) map[Role]map[Act]bool {
	t.Helper()
	lines := strings.Split(strings.Trim(table, "\n"), "\n")
	out := map[Role]map[Act]bool{}
	for _, line := range lines[1:] {
		role := Role(strings.ReplaceAll(strings.Fields(line)[0], "-", " "))
		out[role] = map[Act]bool{}
		for at, c := range line {
			if c != 'x' || at < 18 {
				continue
			}
			for _, act := range Acts {
				if from := strings.Index(lines[0], " "+string(act)); from <= at && at <= from+len(act) {
					out[role][act] = true
				}
			}
		}
	}
	return out
}

func TestEveryRoleActAndPlace(t *testing.T) {
	want := parse(t)
	if len(want) != len(Roles) {
		t.Fatalf("the table has %d roles of %d", len(want), len(Roles))
	}
	places := tree()
	checked, granted := 0, 0
	for _, role := range Roles {
		for _, act := range Acts {
			for held := range places.Places {
				for at := range places.Places {
					below := at == held || held == "vn" || held == "ls" && (at == "hn" || at == "gate") || held == "hn" && at == "gate"
					g, got := Find([]Grant{{ID: "g", Role: role, Place: held}}, act, at, places)
					if got != (want[role][act] && below) || got && g.ID != "g" {
						t.Errorf("%s at %s, %s at %s: %t", role, held, act, at, got)
					}
					checked++
					if got {
						granted++
					}
				}
			}
		}
	}
	if checked != 8*11*25 || granted == 0 {
		t.Errorf("%d cases, %d granted", checked, granted)
	}
}

func TestNothingFromNowhere(t *testing.T) {
	places := tree()
	for name, g := range map[string][]Grant{
		"no grant":      nil,
		"unknown role":  {{Role: "root", Place: "vn"}},
		"empty role":    {{Place: "vn"}},
		"unknown place": {{Role: Author, Place: "mars"}},
		"no place":      {{Role: Author}},
	} {
		for _, act := range Acts {
			for _, at := range []playlist.ID{"vn", "gate", ""} {
				if _, ok := Find(g, act, at, places); ok {
					t.Errorf("%s: %s at %q", name, act, at)
				}
			}
		}
	}
	for _, act := range Acts { // a row without a place belongs to nobody
		if _, ok := Find([]Grant{{Role: Author, Place: "vn"}}, act, "", places); ok {
			t.Errorf("%s at no place", act)
		}
	}
}

// More grants never take a right away, and At agrees with Find.
func TestGrantsOnlyAdd(t *testing.T) {
	places := tree()
	ids := []playlist.ID{"vn", "ls", "hn", "gate", "la"}
	rapid.Check(t, func(t *rapid.T) {
		grant := rapid.Custom(func(t *rapid.T) Grant {
			return Grant{Role: rapid.SampledFrom(Roles).Draw(t, "role"), Place: rapid.SampledFrom(ids).Draw(t, "place")}
		})
		few := rapid.SliceOfN(grant, 0, 4).Draw(t, "few")
		many := append(few[:len(few):len(few)], rapid.SliceOfN(grant, 0, 4).Draw(t, "more")...)
		at := rapid.SampledFrom(ids).Draw(t, "at")
		effective := map[Act]bool{}
		for _, e := range At(many, at, places) {
			effective[e.Act] = len(e.By) > 0
		}
		for _, act := range Acts {
			_, a := Find(few, act, at, places)
			_, b := Find(many, act, at, places)
			if a && !b || b != effective[act] {
				t.Fatalf("%s: few %t, many %t, effective %t", act, a, b, effective[act])
			}
		}
	})
}
