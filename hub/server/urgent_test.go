package server_test

import (
	"encoding/json"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"cotmoc/hub/server/central"
	"cotmoc/internal/step"
	"cotmoc/playlist"
)

// A notice goes out while an edition is being written, which takes minutes where it brings
// large films; what is signed meanwhile names no edition that is not there.
func TestNoticeWaitsForNoEdition(t *testing.T) {
	f := startFleet(t, filepath.Join(t.TempDir(), "hub"))
	p := f.man()
	defer p.end()
	writing, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	step.Hook(func(name string) {
		if name == "publish snapshot.zst" {
			once.Do(func() { close(writing) })
			<-goOn
		}
	})
	release := sync.OnceFunc(func() { close(goOn) })
	defer release()
	defer step.Hook(func(string) {})
	_, err := f.Desk.Put(t.Context(), console, central.Playlists, "moi", 0, []byte(`{"id":"moi","owner":"`+string(langSon)+`","entries":[]}`))
	f.must(err)
	before, err := f.Public.Newest(string(langSon))
	f.must(err)
	_, err = f.Desk.Publish(t.Context(), console, []playlist.ID{langSon}, true)
	f.must(err)
	<-writing
	notice, err := json.Marshal(playlist.Notice{ID: "khan", Owner: langSon, Severity: playlist.Extreme, Starts: f.clk.now().Add(-time.Second), Ends: f.clk.now().Add(time.Hour),
		Bodies: map[playlist.Language]playlist.Body{"vi": {Title: "Lũ", Text: "Lũ về"}}})
	f.must(err)
	_, err = f.Desk.Put(t.Context(), console, central.Notices, "khan", 0, notice)
	f.must(err)
	late := time.After(20 * time.Second)
	for found := false; !found; {
		select {
		case <-late:
			t.Fatal("the notice waits for the edition")
		case doc := <-p.docs:
			_, found = notices(t, doc)["khan"]
		}
	}
	if now, err := f.Public.Newest(string(langSon)); err != nil || now.Number != before.Number {
		t.Errorf("the edition went out before it was written: %+v, %v", now, err)
	}
	release()
	for end := time.Now().Add(20 * time.Second); ; {
		now, err := f.Public.Newest(string(langSon))
		f.must(err)
		if now.Number > before.Number {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the edition was never written")
		}
		<-time.After(20 * time.Millisecond)
	}
}
