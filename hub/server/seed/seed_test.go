package seed

import (
	"testing"

	"cotmoc/hub/server/workflow"
	"cotmoc/playlist"
)

func TestPlaces(t *testing.T) {
	places, err := Places()
	if err != nil {
		t.Fatal(err)
	}
	c, err := playlist.NewCatalogue(playlist.Rows{Places: places})
	if err != nil {
		t.Fatal(err)
	}
	kinds, classes, neighbours := map[playlist.PlaceKind]int{}, map[string]int{}, map[string]int{}
	moved, located := 0, 0
	for _, p := range c.Places {
		kinds[p.Kind]++
		if p.Kind != playlist.Gate {
			continue
		}
		classes[p.GateClass]++
		neighbours[p.Neighbour.Country]++
		if len(p.History) > 0 {
			moved++
		}
		if p.Coordinates != nil {
			located++
		}
		if !c.Within(p.ID, Ministry) || len(c.LanguagesOf(p.ID)) != 3 {
			t.Errorf("%+v", p)
		}
	}
	if kinds[playlist.Gate] != 100 || kinds[playlist.Ministry] != 1 || kinds[playlist.Province] > 34 || kinds[playlist.Province] < 15 {
		t.Errorf("%v", kinds)
	}
	if classes["international"] != 29 || classes["main"] != 40 || classes["secondary"] != 18 || classes["other"] != 13 {
		t.Errorf("%v", classes)
	}
	if neighbours["CN"] != 35 || neighbours["LA"] != 33 || neighbours["KH"] != 32 {
		t.Errorf("%v", neighbours)
	}
	if moved == 0 || located != 2 {
		t.Errorf("%d gates have a history, %d coordinates of their own", moved, located)
	}
}

func TestProvinceID(t *testing.T) {
	for name, want := range map[string]playlist.ID{"Lạng Sơn": "p-lang-son", "Đắk Lắk": "p-dak-lak", "Quảng Trị": "p-quang-tri", "Huế": "p-hue"} {
		if got := ProvinceID(name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestEVisaAndClasses(t *testing.T) {
	gates, err := Gates()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range gates {
		if g.EVisa != nil {
			n++
			if _, err := playlist.NewGateFact(*g.EVisa); err != nil {
				t.Error(err)
			}
		}
	}
	if n != 27 {
		t.Errorf("%d gates take electronic visas", n)
	}
	for _, c := range Classes() {
		if _, err := workflow.NewClass(c); err != nil {
			t.Error(err)
		}
	}
}
