// Package archtest holds the arrows of docs/ARCHITECTURE.md: which package may
// import which.
package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
	Standard   bool
}

// rule forbids direct imports (or, with deps, anything linked) to packages.
type rule struct {
	from   string   // prefix of import paths below cotmoc/
	not    []string // exceptions to from
	forbid []string // prefixes
	deps   bool
	why    string
}

var rules = []rule{
	{from: "playlist", not: []string{"playlist/store", "playlist/media", "playlist/content"}, forbid: []string{"os", "net", "database/sql", "log", "golang.org/x/"},
		why: "the domain is pure: what it needs is handed to it"},
	{from: "player/timeline", forbid: []string{"os", "net", "database/sql", "log", "golang.org/x/"}, why: "the timeline is pure"},
	{from: "playlist", forbid: []string{"cotmoc/player", "cotmoc/device", "cotmoc/internal/kiosk", "cotmoc/ui", "cotmoc/hub"}, why: "the domain is the centre"},
	{from: "player", forbid: []string{"cotmoc/device", "cotmoc/internal/kiosk", "cotmoc/ui", "cotmoc/hub"}, why: "player knows programmes, not where they come from"},
	{from: "player", not: []string{"player/proof"}, forbid: []string{"cotmoc/playlist/store", "cotmoc/playlist/media", "cotmoc/playlist/content"}, why: "only proof is written to the database"},
	{from: "device", forbid: []string{"cotmoc/player", "cotmoc/ui", "cotmoc/hub", "cotmoc/playlist"}, why: "device is the machine and nothing more"},
	{from: "internal/typeset", forbid: []string{"cotmoc/player", "cotmoc/playlist", "github.com/hajimehoshi/ebiten"}, why: "one text engine for every screen"},
	{from: "", not: []string{"player/stage", "cmd/stage"}, forbid: []string{"github.com/hajimehoshi/ebiten"}, why: "Ebitengine belongs to the stage"},
	{from: "", not: []string{"player/sound"}, forbid: []string{"github.com/gopxl/beep"}, why: "beep belongs to sound"},
	{from: "internal/ffmpeg", forbid: []string{"cotmoc/playlist", "cotmoc/player", "cotmoc/hub"}, why: "the child that decodes knows nothing of what it decodes for"},
	{from: "hub/feed", forbid: []string{"os", "net", "database/sql", "log", "golang.org/x/", "cotmoc/"}, why: "what goes over the wire is pure"},
	{from: "hub", not: []string{"hub/prepare/agree"}, forbid: []string{"cotmoc/player", "cotmoc/ui", "cotmoc/device", "cotmoc/internal/kiosk", "cotmoc/playlist/store"}, why: "the hub knows the domain, not the machines that show it"},
	{from: "hub/server", forbid: []string{"cotmoc/hub/client"}, why: "hub and kiosk share the words that they speak, and no more"},
	{from: "", not: []string{"player/decode", "hub/server"}, forbid: []string{"cotmoc/internal/ffmpeg"}, why: "only playing and taking in start ffmpeg"},
	{from: "", not: []string{"playlist/store", "hub/server/sqlite"}, forbid: []string{"github.com/mattn/go-sqlite3", "database/sql"}, why: "SQLite belongs to the stores"},
	{from: "", not: []string{"ui"}, forbid: []string{"fyne.io/"}, why: "Fyne belongs to ui"},
	{from: "", not: []string{"playlist/resolve"}, forbid: []string{"github.com/robfig/cron"}, why: "cron is the resolver's"},
	{from: "", not: []string{"hub", "cmd/hub", "build/tools"}, forbid: []string{"cotmoc/hub/prepare"}, why: "only the hub and its tools link ICU"},
	{from: "cmd/hub", deps: true, forbid: []string{"github.com/hajimehoshi/ebiten", "fyne.io/", "github.com/gopxl/beep"}, why: "the hub links no GUI"},
	{from: "", forbid: []string{"cotmoc/cmd"}, why: "nothing imports a program"},
	{from: "cmd/kiosk", deps: true, forbid: []string{"cotmoc/hub/prepare", "cotmoc/hub/server", "github.com/hajimehoshi/ebiten", "fyne.io/", "github.com/gopxl/beep"},
		why: "the kiosk links no GUI and no hub"},
	{from: "internal/kiosk", deps: true, forbid: []string{"net/http", "cotmoc/hub/client"}, why: "only the child fetch opens network sockets"},
	{from: "", not: []string{"cmd/kiosk", "hub/client", "build/tools"}, forbid: []string{"cotmoc/hub/client"}, why: "only the child fetch opens network sockets"},
	{from: "hub/client", forbid: []string{"cotmoc/hub/server", "cotmoc/internal/kiosk", "cotmoc/player", "cotmoc/playlist/store", "cotmoc/playlist/media"}, why: "what is fetched is verified and kept by kiosk"},
	{from: "", not: []string{"hub/trust", "hub/server/desk"}, forbid: []string{"github.com/theupdateframework/"}, why: "TUF belongs to trust"},
	{from: "cmd/stage", deps: true, forbid: []string{"cotmoc/hub/prepare", "database/sql", "fyne.io/", "github.com/gopxl/beep", "net/http", "github.com/robfig/cron"},
		why: "the stage knows no database, no network, no schedule"},
	{from: "cmd/touch", deps: true, forbid: []string{"cotmoc/hub", "cotmoc/internal/kiosk", "github.com/hajimehoshi/ebiten", "github.com/gopxl/beep", "github.com/robfig/cron", "cotmoc/player/scene", "cotmoc/player/stage"},
		why: "the library reads the cached database and knows neither hub nor stage"},
	{from: "ui", forbid: []string{"cotmoc/device", "cotmoc/player/link", "cotmoc/player/stage", "cotmoc/player/scene", "net"}, why: "the screens know what is in force, not who says so"},
	{from: "cmd/sound", deps: true, forbid: []string{"cotmoc/hub/prepare", "database/sql", "fyne.io/", "github.com/hajimehoshi/ebiten", "net/http"}, why: "sound only sounds"},
}

// startsProcesses are the packages that may start another program.
var startsProcesses = []string{"internal/bounded", "internal/ffmpeg", "hub/server/intake", "player/decode", "player/speech", "internal/supervise", "internal/screentest", "build/tools", "internal/archtest"}

func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports,Deps,Standard", "-tags", "x11,sqlite_fts5,migrated_fynedo", "cotmoc/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(p.ImportPath, "cotmoc/") {
			all = append(all, p)
		}
	}
}

func under(path, prefix string) bool {
	return prefix == "" || path == prefix || strings.HasPrefix(path, strings.TrimSuffix(prefix, "/")+"/")
}

func (r rule) broken(p pkg) (string, bool) {
	name := strings.TrimPrefix(p.ImportPath, "cotmoc/")
	if !under(name, r.from) {
		return "", false
	}
	for _, e := range r.not {
		if under(name, e) {
			return "", false
		}
	}
	what := p.Imports
	if r.deps {
		what = p.Deps
	}
	for _, i := range what {
		for _, f := range r.forbid {
			if under(i, f) {
				return i, true
			}
		}
	}
	return "", false
}

func TestArrows(t *testing.T) {
	all := list(t)
	if len(all) < 15 {
		t.Fatalf("only %d packages were found", len(all))
	}
	for _, p := range all {
		for _, r := range rules {
			if what, bad := r.broken(p); bad {
				t.Errorf("%s imports %s: %s", p.ImportPath, what, r.why)
			}
		}
		name := strings.TrimPrefix(p.ImportPath, "cotmoc/")
		for _, word := range []string{"util", "utils", "common", "helpers"} {
			if strings.HasSuffix(name, "/"+word) {
				t.Errorf("package %s: name it after what it does", name)
			}
		}
		for _, i := range p.Imports {
			allowed := false
			for _, s := range startsProcesses {
				allowed = allowed || under(name, s)
			}
			if i == "os/exec" && !allowed {
				t.Errorf("%s starts processes: only %v do", name, startsProcesses)
			}
		}
	}
}

// A rule that could never fail would check nothing.
func TestRulesFindABreach(t *testing.T) {
	for _, r := range rules {
		from := "cotmoc/" + r.from
		if r.from == "" {
			from = "cotmoc/somewhere"
		}
		p := pkg{ImportPath: from, Imports: r.forbid, Deps: r.forbid}
		if _, bad := r.broken(p); !bad {
			t.Errorf("%s: importing %v was not found", r.why, r.forbid)
		}
	}
}
