package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cotmoc/hub/prepare"
	"cotmoc/hub/server/password"
	"cotmoc/playlist"
)

// Line breaks of a long text take ICU seconds. They are found outside of the transaction
// that keeps the text: the one writer is everybody's.

// longText is how many bytes of text may be prepared within a transaction: some
// milliseconds of work.
const longText = 8 << 10

// displayed is what is made of a text for the screens.
type displayed struct {
	prepare.Copy
	missing []rune // that no screen can draw
}

// copies are what was made of texts before a transaction, by language and text.
type copies map[string]displayed

func copyKey(l playlist.Language, text string) string { return short("copy", string(l), text) }

// needsCopy ends a transaction that lacks the display copy of a long text.
type needsCopy struct {
	language playlist.Language
	text     string
}

func (n *needsCopy) Error() string { return "the text must be prepared first" }

// displayCopy is the display copy of a text, made here if it is short.
func (t *tx) displayCopy(l playlist.Language, text string) (displayed, error) {
	if made, ok := t.copies[copyKey(l, text)]; ok {
		return made, nil
	}
	if len(text) > longText {
		return displayed{}, &needsCopy{l, text}
	}
	return t.d.display(l, text)
}

func (d *Desk) display(l playlist.Language, text string) (displayed, error) {
	c, err := prepare.Display(l, text)
	return displayed{c, d.Fonts.Missing(text)}, err
}

// prepareTime is how long somebody waits until a text's turn has come.
const prepareTime = 30 * time.Second

// doPrepared is do for an act that keeps texts: long ones are prepared before, two at a
// time, of which one caller has one.
func doPrepared[T any](ctx context.Context, d *Desk, by Caller, name string, f func(*tx) (T, error)) (T, error) {
	made := copies{}
	for {
		out, err := do(ctx, d, by, name, func(t *tx) (T, error) {
			t.copies = made
			return f(t)
		})
		need, ok := errors.AsType[*needsCopy](err)
		if !ok {
			return out, err
		}
		c, err := d.prepareApart(ctx, by, need)
		if err != nil {
			return out, err
		}
		made[copyKey(need.language, need.text)] = c
	}
}

func (d *Desk) prepareApart(ctx context.Context, by Caller, n *needsCopy) (displayed, error) {
	waiting, cancel := context.WithTimeout(ctx, prepareTime)
	defer cancel()
	leave, err := d.preparing.Wait(waiting, string(by.Account))
	if err != nil {
		return displayed{}, fmt.Errorf("long texts are being prepared: %w", errors.Join(password.ErrBusy, ctx.Err()))
	}
	defer leave()
	return d.display(n.language, n.text)
}

// together is a set of characters, those of b behind those of a.
func together(a, b []rune) string {
	out := slices.Clone(a)
	for _, r := range b {
		if !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return string(out)
}
