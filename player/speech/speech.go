// Package speech has texts read by a machine: espeak-ng, where it is installed. A
// recording by a person is always better, and comes from the hub; this is for whoever
// cannot read and finds none.
package speech

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"unicode/utf8"

	"cotmoc/internal/bounded"
	"cotmoc/playlist"
)

// MaxText is how much is read at once, in bytes: some twenty minutes.
const MaxText = 24 << 10

// memory is what espeak-ng may take, in bytes; it takes about 40 MB.
const memory = 512 << 20

// header is the length of a WAV file without a sample, in bytes.
const header = 44

// voices are espeak-ng's that can be understood. Its Mandarin and Thai were found wrong,
// Lao and Khmer it has none.
var voices = map[playlist.Language]string{"vi": "vi", "en": "en-gb", "fr": "fr-fr"}

// Has says whether a language has a voice on this machine.
func Has(l playlist.Language) bool {
	if voices[l] == "" {
		return false
	}
	_, err := exec.LookPath("espeak-ng")
	return err == nil
}

// Write reads a text in a language that has a voice, into a new WAV file of 22,050
// samples a second. What is longer than MaxText is cut.
func Write(ctx context.Context, l playlist.Language, text, path string) error {
	voice := voices[l]
	if voice == "" {
		return fmt.Errorf("there is no voice for %q", l)
	}
	text = plain(text)
	if text == "" {
		return errors.New("there is nothing to read")
	}
	cmd := exec.CommandContext(ctx, "espeak-ng", "-v", voice, "-b", "1", "-w", path, "--stdin")
	cmd.Stdin = strings.NewReader(text)
	complaint := &bounded.Tail{}
	cmd.Stderr = complaint
	if err := bounded.Start(cmd, memory); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("machine speech: %s", bounded.Reason(complaint, err))
	}
	if info, err := os.Stat(path); err != nil || info.Size() <= header { // it says so with a 0 alone
		return fmt.Errorf("machine speech: nothing could be written to %s", path)
	}
	return nil
}

// plain leaves out what cannot be heard: marks for breaking lines, and control
// characters; and what is too long, at the end of a word.
func plain(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return r
		case r < ' ', r == 0x200B, r == 0x2060, r == 0xAD, r == utf8.RuneError:
			return -1
		case r == '·':
			return ','
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	if len(text) > MaxText {
		cut := strings.LastIndexAny(text[:MaxText], " \n")
		text = text[:max(cut, 0)]
	}
	return strings.TrimSpace(text)
}
