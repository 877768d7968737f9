package desk

import (
	"context"
	"testing"
	"time"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/rights"
	"cotmoc/playlist"
)

// hold is a long act at the one writer, which ends when it is made to give way, and at its
// last try by itself.
func (s *signs) hold(tries *int, begun chan<- struct{}) error {
	_, err := givingWay(s.t.Context(), &s.way, func(ctx context.Context) (int, error) {
		return do(ctx, s.Desk, s.console, "publish", func(t *tx) (int, error) {
			*tries++
			begun <- struct{}{}
			if *tries > maxGivesWay { // it is not interrupted any more
				return *tries, ctx.Err()
			}
			<-ctx.Done()
			return 0, ctx.Err()
		})
	})
	return err
}

func flood(id playlist.ID, now time.Time) playlist.Notice {
	return playlist.Notice{ID: id, Owner: "ls", Severity: playlist.Extreme, Starts: now, Ends: now.Add(time.Hour),
		Bodies: map[playlist.Language]playlist.Body{"vi": {Title: "Lũ", Text: "Lũ về"}}}
}

// A notice waits for no publication: that begins again, at most three times, and is done
// all the same. What goes wrong with the notice keeps nobody waiting.
func TestPublicationGivesWay(t *testing.T) {
	s, _ := moving(t)
	s.SendsUrgent()
	tries, begun, ended := 0, make(chan struct{}, 10), make(chan error, 1)
	go func() { ended <- s.hold(&tries, begun) }()
	for n := range maxGivesWay {
		<-begun
		id := playlist.ID("lu-" + string(rune('a'+n)))
		s.put(s.officer, central.Notices, id, flood(id, s.now)) // it would wait for ever
		s.UrgentIsOut()
	}
	<-begun
	if err := <-ended; err != nil || tries != maxGivesWay+1 {
		t.Errorf("after %d tries: %v", tries, err)
	}
	bad := flood("lu-x", s.now)
	bad.Bodies = nil
	if _, err := s.try(s.officer, central.Notices, "lu-x", bad); err == nil {
		t.Fatal("a notice without a text was taken")
	}
	if s.way.clear != nil {
		t.Error("publications wait for a notice that was refused")
	}
}

// Nothing gives way to those who may give no notices.
func TestNobodyElseHurries(t *testing.T) {
	s, _ := moving(t)
	s.SendsUrgent()
	author := s.person("nguoi-viet", "ls", rights.Author)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	defer s.way.enter(cancel)()
	_, err := s.try(author, central.Notices, "lu", flood("lu", s.now))
	s.refused("an author's notice", err)
	if ctx.Err() != nil || s.way.clear != nil {
		t.Error("a publication gave way to an author")
	}
	s.put(s.officer, central.Notices, "lu", flood("lu", s.now))
	if context.Cause(ctx) != errGivesWay {
		t.Errorf("it did not give way to an officer: %v", context.Cause(ctx))
	}
	for name, after := range map[string]func(){"once it is out": s.UrgentIsOut, "or after a while": func() {}} {
		began := time.Now()
		if s.way.clear == nil {
			s.way.urgent()
		}
		after()
		s.way.wait(t.Context())
		if took := time.Since(began); took > 4*urgentTime {
			t.Errorf("%s: it waited %v", name, took)
		}
		s.way.done()
	}
}
