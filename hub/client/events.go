package client

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"cotmoc/hub/feed"
	"cotmoc/hub/trust"
)

// Times of the stream.
const (
	stableTime = time.Minute
	quietTime  = 6 * time.Minute // without a ping of a hub that does not say how often: the line is dead
	rewired    = 2 * time.Second // within which the stream is opened after the network changed
)

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
		wait := time.NewTimer(max(pause.next(err, c.Unheard()), c.restarts()))
		select {
		case <-ctx.Done():
		case <-wait.C:
		case <-c.wake: // another line may reach the hub
			pause.n = 0
			select {
			case <-ctx.Done():
			case <-time.After(rand.N(rewired)):
			}
		}
		wait.Stop()
	}
}

// restarts is how long a hub asked to wait that goes down and comes up again.
func (c *Client) restarts() time.Duration {
	after := c.restart.Swap(0)
	if after <= 0 {
		return 0
	}
	return rand.N(min(time.Duration(after)*time.Second, maxAfter)) + time.Second
}

// Rewire gives up all connections, and tries again at once: the network has changed.
func (c *Client) Rewire() {
	c.lines.Range(func(conn, _ any) bool {
		_ = conn.(net.Conn).Close()
		return true
	})
	c.http.CloseIdleConnections()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Unheard is how long ago the hub last said anything that is its own.
func (c *Client) Unheard() time.Duration {
	at := c.heardAt.Load()
	if at == nil {
		return time.Since(c.made)
	}
	return time.Since(*at)
}

func (c *Client) hears() {
	now := time.Now()
	c.heardAt.Store(&now)
}

// Ping is how often the hub says that it is there.
func (c *Client) Ping() time.Duration {
	if s := c.ping.Load(); s > 0 {
		return time.Duration(s) * time.Second
	}
	return quietTime / 2
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
	c.ping.Store(0) // until it says
	dead := time.AfterFunc(quietTime, cancel)
	defer dead.Stop()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 4096), maxAnswer)
	for lines.Scan() {
		c.hears()
		dead.Reset(2*c.Ping() + 5*time.Second)
		raw, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			if strings.HasPrefix(lines.Text(), ":") { // a ping
				open(true, nil)
			}
			continue
		}
		var e feed.Event
		if json.Unmarshal([]byte(raw), &e) != nil {
			return errForged
		}
		if e.Ping > 0 {
			c.ping.Store(int64(min(e.Ping, int(quietTime/time.Second))))
			dead.Reset(2*c.Ping() + 5*time.Second)
		}
		if e.Kind == "restart" {
			c.restart.Store(int64(e.After))
		}
		open(true, nil)
		if e.Kind != "ping" && e.Kind != "restart" {
			heard(e)
		}
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
