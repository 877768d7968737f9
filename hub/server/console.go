package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Console lets commands on the hub's own machine work through the hub that
// runs, because only one process writes the database. Whoever may open the
// socket owns the folder, and could change everything in it anyway.

const socketFile = "hub.sock"

// order is a command that a hub is asked to run.
type order struct {
	Args []string `json:"args"`
	Dir  string   `json:"dir"` // in which relative paths are meant
}

// line is a piece of its answer: text, or at the end the exit code.
type line struct {
	Out   string `json:"out,omitempty"`
	Err   string `json:"err,omitempty"`
	Done  bool   `json:"done,omitempty"`
	Code  int    `json:"code,omitempty"`
	Error string `json:"error,omitempty"`
}

// Run runs one command on an open hub.
type Run func(ctx context.Context, h *Hub, dir string, args []string, out, stderr io.Writer) (int, error)

// Console answers on the hub's socket until ctx ends.
func (h *Hub) Console(ctx context.Context, run Run) error {
	path := filepath.Join(h.Dir, socketFile)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("console: %w", err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("console: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(fmt.Errorf("console: %w", err), listener.Close())
	}
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		c, err := listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			h.Log.Error("The console could not be reached", "error", err)
			select { // too many open files, for now
			case <-ctx.Done():
				return nil
			case <-time.After(time.Second):
			}
			continue
		}
		wg.Go(func() {
			defer c.Close()
			defer func() {
				if p := recover(); p != nil {
					h.Log.Error("A command broke down", "error", p)
				}
			}()
			h.answer(ctx, c, run)
		})
	}
}

func (h *Hub) answer(ctx context.Context, c net.Conn, run Run) {
	var o order
	if err := json.NewDecoder(io.LimitReader(c, 1<<20)).Decode(&o); err != nil {
		return
	}
	// Whoever asked and went away wants no more.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, c)
		cancel()
	}()
	enc := &lines{enc: json.NewEncoder(c)}
	code, err := run(ctx, h, o.Dir, o.Args, writer{enc, false}, writer{enc, true})
	last := line{Done: true, Code: code}
	if err != nil {
		last.Error = err.Error()
	}
	enc.write(last)
}

type lines struct {
	mu  sync.Mutex
	enc *json.Encoder
}

func (l *lines) write(x line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.enc.Encode(x) // whoever asked may have gone
}

type writer struct {
	to  *lines
	err bool
}

func (w writer) Write(p []byte) (int, error) {
	if w.err {
		w.to.write(line{Err: string(p)})
	} else {
		w.to.write(line{Out: string(p)})
	}
	return len(p), nil
}

// Ask has the hub that runs on a folder run a command. ok is false if none runs.
func Ask(ctx context.Context, dir string, args []string, out, stderr io.Writer) (code int, ok bool, err error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(dir, socketFile))
	if err != nil {
		return 0, false, nil
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	wd, err := os.Getwd()
	if err != nil {
		return 1, true, fmt.Errorf("console: %w", err)
	}
	if err := json.NewEncoder(c).Encode(order{args, wd}); err != nil {
		return 1, true, fmt.Errorf("console: %w", err)
	}
	for dec := json.NewDecoder(c); ; {
		var l line
		if err := dec.Decode(&l); err != nil {
			return 1, true, fmt.Errorf("the hub went away before it had done: %w", err)
		}
		_, err1 := io.WriteString(out, l.Out)
		_, err2 := io.WriteString(stderr, l.Err)
		if l.Done || err1 != nil || err2 != nil {
			if l.Error != "" {
				err = errors.New(l.Error)
			}
			return l.Code, true, errors.Join(err, err1, err2)
		}
	}
}
