package playlist

import (
	"bytes"
	"encoding/json"
	"io"
)

// unmarshalStrict decodes exactly one JSON value and refuses unknown fields,
// so that a misspelt option is an error and not silently without effect.
func unmarshalStrict(raw []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return invalid("", "there is something after the JSON value")
	}
	return nil
}
