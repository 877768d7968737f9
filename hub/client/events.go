package client

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"cotmoc/hub/feed"
	"cotmoc/hub/trust"
)

// How a stream that broke is opened again: a random part of a time that doubles,
// drawn after the cap, so that thousands never fall into step.
const (
	firstPause = time.Second
	maxPause   = 5 * time.Minute
	stableTime = time.Minute
	quietTime  = 6 * time.Minute // without a ping: the line is dead
)

// backoff spreads attempts.
type backoff struct{ n int }

func (b *backoff) next() time.Duration {
	most := maxPause
	if b.n < 9 {
		most = min(maxPause, firstPause<<b.n)
	}
	b.n++
	return rand.N(most) + 50*time.Millisecond
}

// Listen keeps the hub's stream open and calls heard for each event, until ctx
// ends. open is told when the stream opens and when it breaks.
func (c *Client) Listen(ctx context.Context, boot string, heard func(feed.Event), open func(bool, error)) {
	var pause backoff
	for ctx.Err() == nil {
		began := time.Now()
		err := c.listen(ctx, boot, heard, open)
		open(false, err)
		if time.Since(began) > stableTime {
			pause.n = 0
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause.next()):
		}
	}
}

func (c *Client) listen(ctx context.Context, boot string, heard func(feed.Event), open func(bool, error)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.String()+"/device/v1/events?boot="+url.QueryEscape(boot), nil)
	if err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	defer resp.Body.Close()
	if err := status(resp); err != nil {
		return err
	}
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		return errForged
	}
	dead := time.AfterFunc(quietTime, cancel)
	defer dead.Stop()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 4096), maxAnswer)
	for lines.Scan() {
		dead.Reset(quietTime)
		raw, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var e feed.Event
		if json.Unmarshal([]byte(raw), &e) != nil {
			return errForged
		}
		open(true, nil)
		heard(e)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	return fmt.Errorf("stream: the hub closed it")
}

// KeepFiles keeps the published files that came with an event. Kiosk believes them
// no more than any others.
func (c *Client) KeepFiles(e feed.Event) error {
	var last []byte
	for name, raw := range e.Files {
		if !emergencyFile.MatchString(name) || len(raw) > maxAnswer {
			return errForged
		}
		if name == "trust/timestamp.json" {
			last = raw
			continue
		}
		if err := c.put(name, raw); err != nil {
			return err
		}
	}
	if last == nil {
		return nil
	}
	return c.putTimestamp(last)
}

// emergencyFile is what may come with an event.
var emergencyFile = regexp.MustCompile(`^(trust/timestamp\.json|trust/[0-9]+\.(snapshot|emergency)\.json|emergency/[0-9]+/head\.json)$`)

// putTimestamp keeps a timestamp, unless a newer one is here already.
func (c *Client) putTimestamp(raw []byte) error {
	c.stamp.Lock()
	defer c.stamp.Unlock()
	if have, err := os.ReadFile(c.public("trust/timestamp.json")); err == nil {
		old, err1 := trust.Read(have)
		fresh, err2 := trust.Read(raw)
		if err1 == nil && err2 == nil && old.Version > fresh.Version {
			return nil
		}
	}
	return c.put("trust/timestamp.json", raw)
}
