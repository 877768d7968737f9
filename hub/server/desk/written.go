package desk

import (
	"errors"
	"fmt"
	"strings"

	"cotmoc/hub/server/central"
	"cotmoc/hub/trust"
)

// ErrWriting is returned when what is to be signed names an edition whose files are not
// written yet: machines would look for what is not there.
var ErrWriting = errors.New("its edition is still being written: sign again in a moment")

// written says whether what a role names is there for machines to fetch. An edition that was
// signed before may be signed for again, though its scope or its files have gone.
func (t *tx) written(role string, raw []byte) error {
	if t.d.Written == nil || role == trust.Emergency || role == trust.Root {
		return nil
	}
	said, err := trust.Read(raw)
	if err != nil || said.Head == nil {
		return err
	}
	scope, _, _ := strings.Cut(said.Head.Path, "/")
	if t.d.Written(scope, said.Head.Number) {
		return nil
	}
	_, before, err := load(t.ctx, t, central.Signed, role)
	if err != nil {
		return err
	}
	if before.Raw != nil {
		old, err := trust.Read(before.Raw)
		if err != nil || old.Head != nil && old.Head.Number == said.Head.Number {
			return err
		}
	}
	return fmt.Errorf("%s, number %d: %w", scope, said.Head.Number, ErrWriting)
}
