package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cotmoc/internal/screentest"
	"cotmoc/internal/words"
	"cotmoc/playlist"
)

// visitor is somebody at the screen: a finger, and eyes that read what it shows.
type visitor struct {
	*machine
	finger *screentest.Finger
	seen   string
	began  time.Time
	taps   int
}

// meet starts a kiosk and waits for its library.
func meet(m *machine, content string) *visitor {
	t := m.t
	t.Helper()
	finger, err := screentest.NewFinger(m.display)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(finger.Close)
	v := &visitor{machine: m, finger: finger, seen: filepath.Join(t.TempDir(), "seen.json")}
	m.start(content, "--touch-args", "--seen "+v.seen)
	v.until("the library is there", func() bool { return v.library() > 0 && v.look().N > 0 })
	return v
}

func (v *visitor) look() screentest.Seen {
	s, err := screentest.ReadSeen(v.seen)
	if err != nil {
		v.t.Fatal(err)
	}
	return s
}

// says waits until the screen says something.
func (v *visitor) says(what string) {
	v.t.Helper()
	defer func() {
		if v.t.Failed() {
			v.t.Logf("the screen says: %q", v.look().Says)
		}
	}()
	v.until(fmt.Sprintf("the screen says %q", what), func() bool {
		return slices.ContainsFunc(v.look().Says, func(s string) bool { return strings.Contains(s, what) })
	})
}

// arrive touches the stage.
func (v *visitor) arrive() {
	v.t.Helper()
	v.arriveAt(image.Pt(640, 300))
}

func (v *visitor) arriveAt(at image.Point) {
	v.t.Helper()
	v.until("the stage is up", func() bool { st := v.status(); return st != nil && len(st.Displays) > 0 && st.Displays[0].Connected })
	visits := v.status().Visits.Visits
	v.began, v.taps = time.Now(), 1
	last := time.Time{}
	v.until("the touch brings the library up", func() bool {
		if time.Since(last) > 2*time.Second { // a stage that has only begun is deaf
			last = time.Now()
			if err := v.finger.Tap(at); err != nil {
				v.t.Fatal(err)
			}
		}
		st := v.status()
		return st != nil && st.Visits.Visits > visits
	})
}

// touch waits for a target and touches it.
func (v *visitor) touch(what string) {
	v.t.Helper()
	var at image.Point
	v.until(fmt.Sprintf("there is %q to touch", what), func() (ok bool) { at, ok = v.look().Target(what); return ok })
	n := v.look().N
	if err := v.finger.Tap(at); err != nil {
		v.t.Fatal(err)
	}
	v.taps++
	v.until("the screen answers", func() bool { return v.look().N > n })
}

// done ends a task and the visit, and says what it took.
func (v *visitor) done(task string, most int) {
	v.t.Helper()
	took := time.Since(v.began)
	v.t.Logf("%s: %d touches, %d ms with a finger that never hesitates", task, v.taps, took.Milliseconds())
	if v.taps > most {
		v.t.Errorf("%s takes %d touches, more than %d", task, v.taps, most)
	}
	v.leave()
}

// leave goes home and finishes the visit.
func (v *visitor) leave() {
	v.t.Helper()
	n := 0
	v.until("the visit can be finished", func() bool {
		if v.look().N == n {
			return false // the last touch is not answered yet
		}
		n = v.look().N
		for _, l := range words.Languages {
			for _, key := range []string{"finish", "home"} {
				at, ok := v.look().Target(plain(words.In(l, key)))
				if !ok {
					continue
				}
				if err := v.finger.Tap(at); err != nil {
					v.t.Fatal(err)
				}
				return key == "finish"
			}
		}
		return false
	})
	v.until("the stage is back", v.shows(orange))
}

func plain(s string) string { return strings.NewReplacer("\u200B", "", "\u2060", "").Replace(s) }

// gateForTasks is a gate with facts, a Khmer film and a bulletin about the customs.
func gateForTasks(t *testing.T) string {
	clip := filepath.Join(t.TempDir(), "clip.mp4")
	cmd := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=20", "-f", "lavfi", "-i", "sine=d=20", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", clip)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	raw, err := os.ReadFile(clip)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(raw)
	film := playlist.Hash(hex.EncodeToString(sum[:]))
	checked, review := playlist.DateOf(time.Now().AddDate(0, -1, 0)), playlist.DateOf(time.Now().AddDate(0, 6, 0))
	dir := contentOf(t, func(r *playlist.Rows) {
		r.Places[0].Languages = []playlist.Language{"vi", "en", "zh-Hans", "lo", "km"}
		r.Displays[0].Role, r.Displays[0].Width, r.Displays[0].Height = playlist.RoleBoth, 1280, 720
		r.Facts = []playlist.GateFact{
			{ID: "hours", Gate: "g", Kind: playlist.FactHours, Source: "thử", CheckedOn: checked, ReviewBy: review, Hours: []playlist.SideHours{{Side: "vietnam", Zone: "Asia/Ho_Chi_Minh", Weekly: []playlist.DayHours{{Open: 0, Close: 24 * 60}}}}},
			{ID: "driver", Gate: "g", Kind: playlist.FactPapers, Traveller: "ຄົນຂັບລົດ", Source: "thử", CheckedOn: checked, ReviewBy: review, Value: playlist.Names{"vi": "Giấy phép lái xe và giấy đăng ký xe", "lo": "ໃບຂັບຂີ່ ແລະ ໃບທະບຽນລົດ"}},
		}
		r.Media = append(r.Media, playlist.Media{SHA256: film, Path: "clip.mp4", Type: "video/mp4", Bytes: int64(len(raw))})
		r.Items = append(r.Items, playlist.Item{ID: "film", Kind: playlist.Video}, playlist.Item{ID: "customs", Kind: playlist.Bulletin})
		r.Versions = append(r.Versions, playlist.Version{Item: "film", Language: "km", Title: "សេចក្ដីប្រកាសជាសកលស្ដីពីសិទ្ធិមនុស្ស", Media: []playlist.Hash{film}},
			playlist.Version{Item: "customs", Language: "vi", Title: "Khai báo hải quan", Text: "Người xuất cảnh khai báo hải quan tại quầy số 4."})
	}, orange)
	if err := os.WriteFile(filepath.Join(dir, "clip.mp4"), raw, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// What people come for, driven on the real programs: in how many touches they have it.
func TestTasks(t *testing.T) {
	v := meet(newMachineOf(t, 1280, 720), gateForTasks(t))

	v.arrive()
	v.says(plain(words.In("vi", "open")))
	v.done("is it closed today? (Vietnamese)", 1)

	v.arrive()
	v.touch(plain(words.LanguageName("zh-Hans")))
	v.says(plain(words.In("zh-Hans", "open")))
	v.done("is it closed today? (Chinese)", 2)

	v.arrive()
	v.touch(plain(words.LanguageName("lo")))
	v.touch(plain(words.In("lo", "cross_here")))
	v.says("ໃບຂັບຂີ່")
	v.done("papers for a Lao driver", 3)

	v.arrive()
	v.touch(plain(words.LanguageName("km")))
	v.touch(plain(words.In("km", "watch")))
	v.touch("សេចក្ដីប្រកាសជាសកលស្ដីពីសិទ្ធិមនុស្ស")
	v.says(plain(words.In("km", "pause")))
	first, _, err := screentest.FirstChange(v.display, image.Rect(500, 200, 780, 400), 100*time.Millisecond, func() error { return nil })
	if err != nil {
		t.Errorf("the film stands still: %v", err)
	}
	t.Logf("a new picture of the film after %v", first)
	v.done("watch the Khmer clip", 4)

	v.arrive()
	v.touch(words.In("vi", "search"))
	for _, key := range "hai quan" {
		if key == ' ' {
			v.touch(plain(words.In("vi", "space")))
			continue
		}
		v.touch(string(key))
	}
	v.touch("Khai báo hải quan")
	v.says("quầy số 4")
	v.done("find hai quan", 11)

	raw, err := json.Marshal(v.status().Visits)
	if st := v.status().Visits; err != nil || st.Visits != 5 || st.Items != 2 {
		t.Errorf("counted: %s %v", raw, err)
	}
}
