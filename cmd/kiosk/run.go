package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"cotmoc/hub/local"
	"cotmoc/internal/kiosk"
	"cotmoc/internal/typeset"
	"cotmoc/playlist"
	"cotmoc/playlist/content"
	"cotmoc/playlist/media"
	"cotmoc/playlist/store"
)

func runKiosk(ctx context.Context, c *cli, args []string) error {
	set := c.flags("run")
	dir := set.String("data", "", "folder of the kiosk's data (made if it is missing)")
	folder := set.String("content", "", "content folder to take in as a local edition")
	quota := set.Int64("quota", 0, "most bytes of media to keep (0: as much as the disk takes)")
	displays := set.String("displays", "", "ids of this machine's displays, with commas (default: those of the first display's place)")
	sticks := set.String("sticks", "/media:/run/media:/mnt", "folders below which sticks are mounted, with colons: staff import from them at the screen")
	touchArgs := set.String("touch-args", "", "words added to the library's command line, such as --idle 90s")
	stageArgs := set.String("stage-args", "", "words added to the stage's command line, such as --fullscreen")
	if err := parse(set, args, 0); err != nil {
		return err
	}
	if *dir == "" {
		return usageError{"--data DIR is missing"}
	}
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the programs beside this one: %w", err)
	}
	k, err := kiosk.Open(ctx, kiosk.Config{
		Dir: *dir, Binaries: filepath.Dir(exe), Quota: *quota, StageArgs: strings.Fields(*stageArgs), TouchArgs: strings.Fields(*touchArgs),
		Displays: strings.FieldsFunc(*displays, func(r rune) bool { return r == ',' }),
		Sticks:   strings.FieldsFunc(*sticks, func(r rune) bool { return r == ':' }),
		Fetch:    []string{exe, "fetch"},
		Log:      slog.New(slog.NewTextHandler(c.err, nil)),
	})
	if err != nil {
		return err
	}
	// SIGHUP lets go: kiosk ends, its children play on and are adopted by the
	// next kiosk. That is how an upgrade restarts it without a dark screen.
	ctx, letGo := signal.NotifyContext(ctx, syscall.SIGHUP)
	defer letGo()
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	serve := make(chan error, 1)
	work, finish := context.WithCancel(context.WithoutCancel(ctx))
	defer finish()
	go func() { serve <- k.Serve(work) }()
	if _, err := local.Load(*dir); *folder != "" && err == nil {
		k.Report("content", "the folder "+*folder+" was not taken in: this kiosk is enrolled, and its content comes from the hub")
	} else if *folder != "" {
		if err := k.TakeIn(func() error { return takeIn(ctx, c, k, *dir, *folder) }); err != nil {
			fmt.Fprintf(c.err, "kiosk run: the content folder was not taken in, what was there plays on: %v\n", err)
			k.Report("content", err.Error())
		}
	}
	select {
	case err := <-serve: // it could not go on: systemd starts it anew
		return errors.Join(err, k.Close())
	case <-ctx.Done():
	}
	select {
	case <-hup:
	default:
		k.Quit() // while the sockets are open, so that the children's last words are heard
	}
	finish()
	return errors.Join(<-serve, k.Close())
}

// takeIn brings a content folder into the database as a local edition. The
// kiosk plays meanwhile; switching is one transaction at the end.
func takeIn(ctx context.Context, c *cli, k *kiosk.Kiosk, dir, folder string) error {
	f, err := content.Read(folder)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := k.MakeRoom(ctx, f.Rows.Media); err != nil {
		return err
	}
	if err := f.CopyFiles(ctx, progress{c, k.Media(), len(f.Rows.Media), new(int)}); err != nil {
		return err
	}
	if err := store.WriteEdition(ctx, dir, f.ID, f.Rows); err != nil {
		return err
	}
	k.Report("fonts", undrawable(f.Rows.Versions))
	return k.Adopt(ctx, f.ID)
}

// undrawable names the texts that hold characters no font of ours draws. They
// are shown all the same, with a sign in their place: the status says so.
func undrawable(versions []playlist.Version) string {
	e := typeset.New()
	var found []string
	for _, v := range versions {
		if missing := kiosk.Undrawable(e, v); missing != "" && len(found) < 20 {
			found = append(found, fmt.Sprintf("%s: %q", v.ID, missing))
		}
	}
	if len(found) == 0 {
		return ""
	}
	return "no font of ours draws these characters: " + strings.Join(found, "; ")
}

// progress says how far a long copy has come.
type progress struct {
	c    *cli
	to   *media.Store
	all  int
	done *int
}

// Put implements content.Sink.
func (p progress) Put(m playlist.Media, r io.Reader) error {
	*p.done++
	if m.Bytes > 16<<20 {
		fmt.Fprintf(p.c.err, "file %d of %d, %d MB\n", *p.done, p.all, m.Bytes>>20)
	}
	return p.to.Put(m, r)
}
