// Package workflow is the life of a version, pure: which state follows which,
// who may approve, and where a language stands against its base.
package workflow

import (
	"fmt"
	"slices"
	"time"

	"cotmoc/playlist"
)

// Act moves a version from one state to another.
type Act string

// The acts. Edit of a version that was submitted makes a draft that replaces
// it: what was submitted never changes.
const (
	Edit      Act = "edit"
	Submit    Act = "submit"
	Approve   Act = "approve"
	Reject    Act = "reject"
	Publish   Act = "publish"
	Supersede Act = "supersede"
	Withdraw  Act = "withdraw"
	Expire    Act = "expire"
)

var next = map[playlist.State]map[Act]playlist.State{
	playlist.Draft:     {Edit: playlist.Draft, Submit: playlist.InReview, Supersede: playlist.Superseded},
	playlist.InReview:  {Edit: playlist.Superseded, Approve: playlist.Approved, Reject: playlist.Superseded},
	playlist.Approved:  {Edit: playlist.Superseded, Publish: playlist.Published, Reject: playlist.Superseded, Withdraw: playlist.Withdrawn},
	playlist.Published: {Edit: playlist.Published, Supersede: playlist.Superseded, Withdraw: playlist.Withdrawn, Expire: playlist.Expired},
}

// Next returns the state after act, or an error that says why not.
func Next(from playlist.State, act Act) (playlist.State, error) {
	to, ok := next[from][act]
	if !ok {
		return "", &playlist.Error{Code: playlist.CodeRefused, Where: "version", Detail: fmt.Sprintf("a version that is %s cannot be changed by %s", from, act)}
	}
	return to, nil
}

// Class decides who reviews an item: one approval for each level, by people who
// review for a place of that level or a higher one, each by another person.
type Class struct {
	ID     playlist.ID          `json:"id"`
	Names  playlist.Names       `json:"names"`
	Levels []playlist.PlaceKind `json:"levels"`
}

// NewClass checks c.
func NewClass(c Class) (Class, error) {
	where := "class " + string(c.ID)
	if err := c.ID.Check(where); err != nil {
		return Class{}, err
	}
	if len(c.Levels) == 0 || len(c.Levels) > 4 {
		return Class{}, &playlist.Error{Code: playlist.CodeInvalid, Where: where, Detail: "it needs 1 to 4 approvals"}
	}
	for n, l := range c.Levels {
		if slices.Contains(c.Levels[:n], l) {
			return Class{}, &playlist.Error{Code: playlist.CodeInvalid, Where: where, Detail: fmt.Sprintf("level %s stands twice: one approval a level", l)}
		}
		if l != playlist.Ministry && l != playlist.Province && l != playlist.Commune {
			return Class{}, &playlist.Error{Code: playlist.CodeInvalid, Where: where, Detail: fmt.Sprintf("level %.20q is not ministry, province or commune", l)}
		}
	}
	return c, nil
}

// Reason says why a version was rejected.
type Reason string

// The reasons, a closed list.
const (
	WrongFact    Reason = "wrong fact"
	WrongWording Reason = "wrong wording"
	WrongPicture Reason = "wrong picture or map"
	Licence      Reason = "licence"
	Quality      Reason = "technical quality"
	Translation  Reason = "translation"
	NotForPublic Reason = "not for the public"
)

// Reasons lists every reason.
var Reasons = []Reason{WrongFact, WrongWording, WrongPicture, Licence, Quality, Translation, NotForPublic}

// Review is one reviewer's word on a version. Level is that of the place for
// which the reviewer spoke.
type Review struct {
	ID       playlist.ID        `json:"id"`
	Version  playlist.ID        `json:"version"`
	By       playlist.ID        `json:"by"`
	Level    playlist.PlaceKind `json:"level"`
	Approved bool               `json:"approved"`
	Reason   Reason             `json:"reason,omitempty"`
	Note     string             `json:"note,omitempty"`
	At       time.Time          `json:"at"`
}

// CheckRejection says whether a rejection gives a reason and a note.
func CheckRejection(r Reason, note string) error {
	switch {
	case !slices.Contains(Reasons, r):
		return &playlist.Error{Code: playlist.CodeInvalid, Where: "rejection", Detail: fmt.Sprintf("the reason %.40q is not one of the list", r)}
	case len([]rune(note)) < 3 || len(note) > 4000:
		return &playlist.Error{Code: playlist.CodeInvalid, Where: "rejection", Detail: "it needs a note of 3 to 4000 characters that helps the author"}
	}
	return nil
}

func rank(k playlist.PlaceKind) int {
	switch k {
	case playlist.Ministry:
		return 3
	case playlist.Province:
		return 2
	case playlist.Commune:
		return 1
	}
	return 0
}

// Needed lists the levels that a version of an owner of this level still needs,
// the highest first, once these reviews were given. A level below the owner's
// own is the owner's: nobody below may speak for it.
func Needed(c Class, owner playlist.PlaceKind, reviews []Review) []playlist.PlaceKind {
	var levels []playlist.PlaceKind
	for _, l := range c.Levels {
		if rank(l) < rank(owner) {
			l = owner
		}
		if !slices.Contains(levels, l) {
			levels = append(levels, l)
		}
	}
	slices.SortFunc(levels, func(a, b playlist.PlaceKind) int { return rank(b) - rank(a) })
	// One person counts once, with the highest level for which they spoke.
	best := map[playlist.ID]int{}
	for _, r := range reviews {
		if r.Approved {
			best[r.By] = max(best[r.By], rank(r.Level))
		}
	}
	have := make([]int, 0, len(best))
	for _, n := range best {
		have = append(have, n)
	}
	slices.SortFunc(have, func(a, b int) int { return b - a })
	// The lowest that is high enough serves each level, so none is wasted.
	var needed []playlist.PlaceKind
	for _, l := range levels {
		at := -1
		for i, n := range have {
			if n >= rank(l) {
				at = i
			}
		}
		if at < 0 {
			needed = append(needed, l)
			continue
		}
		have = slices.Delete(have, at, at+1)
	}
	return needed
}

// Useful says whether an approval from this level brings the version further.
func Useful(needed []playlist.PlaceKind, level playlist.PlaceKind) bool {
	return slices.ContainsFunc(needed, func(l playlist.PlaceKind) bool { return rank(level) >= rank(l) })
}
