package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"cotmoc/hub/prepare"
	"cotmoc/playlist"
)

func prepareText(args []string, in io.Reader, out, stderr io.Writer) (int, error) {
	set := flag.NewFlagSet("prepare", flag.ContinueOnError)
	set.SetOutput(stderr)
	tag := set.String("lang", "", "language tag (BCP 47) of the text")
	asJSON := set.Bool("json", false, "print JSON: display, the version of ICU, marks added")
	switch err := set.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0, nil
	case err != nil:
		return 2, nil
	case set.NArg() != 1 || *tag == "":
		return 2, errors.New("give --lang TAG and one FILE")
	}
	lang, err := playlist.NewLanguage(*tag)
	if err != nil {
		return 2, err
	}
	raw, err := read(set.Arg(0), in)
	if err != nil {
		return 1, err
	}
	copied, err := prepare.Display(lang, string(raw))
	if err != nil {
		return 1, err
	}
	if *asJSON {
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		err = enc.Encode(copied)
	} else {
		_, err = io.WriteString(out, copied.Display)
	}
	if err != nil {
		return 1, fmt.Errorf("write the copy: %w", err)
	}
	return 0, nil
}

func read(name string, in io.Reader) ([]byte, error) {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("text file: %w", err)
		}
		defer f.Close()
		in = f
	}
	// One byte more than is taken, so that a longer text is refused and not cut.
	raw, err := io.ReadAll(io.LimitReader(in, playlist.MaxTextLen+1))
	if err != nil {
		return nil, fmt.Errorf("text file: %w", err)
	}
	return raw, nil
}
