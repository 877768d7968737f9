// Package link is what kiosk and its children say to each other over
// kiosk.sock: one JSON object a line, the contract's "Children".
package link

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"cotmoc/playlist"
)

// Kind names a message.
type Kind string

// What is said. The first group is for stage, the second from it, the third
// and fourth for and from sound.
const (
	Programme Kind = "programme"
	Cover     Kind = "cover"
	Uncover   Kind = "uncover"
	Quit      Kind = "quit"

	Hello     Kind = "hello" // first line of every child: who it is
	Ready     Kind = "ready"
	Upcoming  Kind = "upcoming"
	Shown     Kind = "shown"
	Ended     Kind = "ended"
	Touched   Kind = "touched"
	Beat      Kind = "beat"
	Fault     Kind = "fault"
	Cancelled Kind = "cancelled" // an entry that was announced will not come

	Prepare Kind = "prepare"
	Start   Kind = "start"
	Stop    Kind = "stop"
	Gain    Kind = "gain"

	PositionAt Kind = "position"

	Ask    Kind = "ask" // a command line asks the running kiosk for its status
	Answer Kind = "answer"

	Order Kind = "order" // a command line has the running kiosk do something; answered by progress and an answer

	Home    Kind = "home"    // to touch: somebody touched the stage
	Wipe    Kind = "wipe"    // the visit ends now
	Edition Kind = "edition" // what is in force
	Wiped   Kind = "wiped"   // nothing is left of the visit: it may be lowered
	Idle    Kind = "idle"    // the visit is over
	Count   Kind = "count"   // something that is counted
	Staff   Kind = "staff"   // what staff ask at the screen, and how the machine stands: internal/corner
	Play    Kind = "play"    // a visitor's film or recording is to be heard; without a path it ends

	Want Kind = "want" // kiosk tells fetch what it wants
	Got  Kind = "got"  // fetch tells kiosk how far it is
)

// Message is any line. Only the fields that its kind needs are set. Instants
// named At are CLOCK_MONOTONIC in nanoseconds, the same for every process.
type Message struct {
	Kind      Kind                `json:"kind"`
	Role      string              `json:"role,omitempty"`    // hello: stage, sound, touch or fetch
	Display   playlist.ID         `json:"display,omitempty"` // hello of a stage
	PID       int                 `json:"pid,omitempty"`
	Programme *playlist.Programme `json:"programme,omitempty"`
	Sequence  uint64              `json:"sequence,omitempty"` // of the programme in force
	Showing   *Showing            `json:"showing,omitempty"`
	At        int64               `json:"at,omitempty"`
	Reason    string              `json:"reason,omitempty"`     // ended: why; fault: what, in plain words
	Frames    uint64              `json:"frames,omitempty"`     // beat: frames drawn so far
	Routines  int                 `json:"goroutines,omitempty"` // beat and position: of the child's process
	ID        string              `json:"id,omitempty"`         // sound: which stream
	Path      string              `json:"path,omitempty"`
	From      int64               `json:"from_ms,omitempty"` // sound: where in the file to begin
	Speed     float64             `json:"speed,omitempty"`   // sound: 0.5 to 2 times the file's own; 0: its own
	Level     float64             `json:"level,omitempty"`   // gain: 0 to 1
	Bus       string              `json:"bus,omitempty"`     // music, speech or chime
	PCM       int64               `json:"pcm,omitempty"`     // samples played
	Left      map[string]int64    `json:"left_ms,omitempty"` // beat: time until each mandatory item is due
	Body      json.RawMessage     `json:"body,omitempty"`    // answer
}

// Showing is one showing of one item, or of a notice, as proof of play records it. That of
// a notice has no zone and no layer: it covers all of them.
type Showing struct {
	ID        string              `json:"id"` // unique on this display
	Zone      playlist.ID         `json:"zone"`
	Layer     playlist.Layer      `json:"layer,omitempty"`
	Schedule  playlist.ID         `json:"schedule,omitempty"`
	Playlist  playlist.ID         `json:"playlist,omitempty"`
	Edition   string              `json:"edition,omitempty"`
	Item      playlist.ID         `json:"item"`
	Version   playlist.ID         `json:"version"`
	Language  playlist.Language   `json:"language"`
	Mandatory playlist.ID         `json:"mandatory,omitempty"`
	LateMS    int64               `json:"late_ms,omitempty"` // of a mandatory item
	Sound     string              `json:"sound,omitempty"`   // file to be heard with it
	SoundMS   int64               `json:"sound_ms,omitempty"`
	Speech    bool                `json:"speech,omitempty"` // music is ducked under it
	Chime     bool                `json:"chime,omitempty"`
	Position  *playlist.Position  `json:"position,omitempty"`
	Start     time.Time           `json:"start,omitzero"`
	End       time.Time           `json:"end,omitzero"`
	StartMono int64               `json:"start_mono,omitempty"`
	EndMono   int64               `json:"end_mono,omitempty"`
	Trusted   bool                `json:"trusted,omitempty"`
	Languages []playlist.Language `json:"languages,omitempty"` // side by side
}

// OfNotice says whether a notice was shown: Item is its id.
func (s Showing) OfNotice() bool { return strings.HasPrefix(string(s.Schedule), playlist.NoticePrefix) }

// maxLine bounds a message: a programme of 10,000 entries takes a few MiB.
const maxLine = 64 << 20

// Conn sends and receives messages. Send may be called by several goroutines.
type Conn struct {
	c    net.Conn
	r    *bufio.Reader
	mu   sync.Mutex
	post sync.Once
	out  chan Message
	done chan struct{}
	shut sync.Once
}

// maxPosted bounds what waits for a peer that reads slowly.
const maxPosted = 1000

// NewConn wraps an open connection.
func NewConn(c net.Conn) *Conn {
	return &Conn{c: c, r: bufio.NewReaderSize(c, 64<<10), out: make(chan Message, maxPosted), done: make(chan struct{})}
}

// Post sends a message beside the caller, in order, and never blocks: whoever
// holds a lock must not wait for a peer that does not read. A peer that lets
// too much wait is cut off; it connects again and is told anew.
func (c *Conn) Post(m Message) {
	c.post.Do(func() {
		go func() { // ends with the connection
			for {
				select {
				case <-c.done:
					return
				case m := <-c.out:
					if c.Send(m) != nil {
						return
					}
				}
			}
		}()
	})
	select {
	case c.out <- m:
	default:
		c.Close()
	}
}

// Send writes one message. A peer that does not read for five seconds is gone.
func (c *Conn) Send(m Message) error {
	line, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode %s: %w", m.Kind, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.c.SetWriteDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return fmt.Errorf("send %s: %w", m.Kind, err)
	}
	if _, err := c.c.Write(append(line, '\n')); err != nil {
		// Half a line may be out: nothing after it could be read. The peer
		// connects again, and is told anew what it must know.
		c.Close()
		return fmt.Errorf("send %s: %w", m.Kind, err)
	}
	return nil
}

// Receive reads the next message. io.EOF means that the peer has gone.
func (c *Conn) Receive() (Message, error) {
	var line []byte
	for {
		part, err := c.r.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return Message{}, fmt.Errorf("a message is longer than %d MiB", maxLine>>20)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			if errors.Is(err, io.EOF) && len(line) > 0 {
				return Message{}, io.ErrUnexpectedEOF
			}
			return Message{}, err
		}
		break
	}
	var m Message
	if err := json.Unmarshal(line, &m); err != nil {
		return Message{}, fmt.Errorf("a malformed message: %w", err)
	}
	return m, nil
}

// Close closes the connection. It may be called more than once.
func (c *Conn) Close() (err error) {
	c.shut.Do(func() {
		close(c.done)
		err = c.c.Close()
	})
	return err
}
