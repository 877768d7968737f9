// Package rights says who may do what, where: a closed list of roles, each
// held at a place and valid for everything below it. Rights flow down the tree
// of places and nowhere else: no role contains another.
package rights

import (
	"slices"

	"cotmoc/playlist"
)

// Role is what a person is trusted with at a place.
type Role string

// The roles.
const (
	Author           Role = "author"
	Translator       Role = "translator"
	Reviewer         Role = "reviewer"
	Publisher        Role = "publisher"
	EmergencyOfficer Role = "emergency officer"
	Technician       Role = "technician"
	Auditor          Role = "auditor"
	Administrator    Role = "administrator"
)

// Roles lists every role.
var Roles = []Role{Author, Translator, Reviewer, Publisher, EmergencyOfficer, Technician, Auditor, Administrator}

// Act is something that needs a right.
type Act string

// The acts.
const (
	Read       Act = "read"       // see drafts and versions in review
	Write      Act = "write"      // items, their versions, gate facts
	Translate  Act = "translate"  // versions that have a base version
	Review     Act = "review"     // approve, reject
	Plan       Act = "plan"       // playlists, layouts, schedules, calendars, mandatory items
	Publish    Act = "publish"    // make an edition
	Withdraw   Act = "withdraw"   // take a published version back
	Alert      Act = "alert"      // notices
	Configure  Act = "configure"  // displays; jobs that failed
	Audit      Act = "audit"      // read the audit
	Administer Act = "administer" // places, classes, accounts, grants
)

// Acts lists every act.
var Acts = []Act{Read, Write, Translate, Review, Plan, Publish, Withdraw, Alert, Configure, Audit, Administer}

var allowed = map[Role][]Act{
	Author:           {Read, Write, Translate},
	Translator:       {Read, Translate},
	Reviewer:         {Read, Review},
	Publisher:        {Read, Plan, Publish, Withdraw},
	EmergencyOfficer: {Read, Alert, Withdraw},
	Technician:       {Configure},
	Auditor:          {Read, Audit},
	Administrator:    {Administer},
}

// Known says whether the role is one of the closed list.
func (r Role) Known() bool { return slices.Contains(Roles, r) }

// Allows says whether a role carries an act.
func (r Role) Allows(a Act) bool { return slices.Contains(allowed[r], a) }

// Grant gives an account a role at a place and everything below it.
type Grant struct {
	ID      playlist.ID `json:"id"`
	Account playlist.ID `json:"account"`
	Role    Role        `json:"role"`
	Place   playlist.ID `json:"place"`
}

// Tree knows which place lies in whose subtree; playlist.Catalogue is one.
type Tree interface {
	Within(place, root playlist.ID) bool
}

// Find returns the first grant that allows act at place.
func Find(grants []Grant, act Act, place playlist.ID, tree Tree) (Grant, bool) {
	for _, g := range grants {
		if place != "" && g.Role.Allows(act) && tree.Within(place, g.Place) {
			return g, true
		}
	}
	return Grant{}, false
}

// Effective is an act that is allowed, and why.
type Effective struct {
	Act Act     `json:"act"`
	By  []Grant `json:"by"`
}

// At lists what grants allow at a place, with every grant that allows it.
func At(grants []Grant, place playlist.ID, tree Tree) []Effective {
	out := []Effective{}
	for _, a := range Acts {
		var by []Grant
		for _, g := range grants {
			if _, ok := Find([]Grant{g}, a, place, tree); ok {
				by = append(by, g)
			}
		}
		if len(by) > 0 {
			out = append(out, Effective{a, by})
		}
	}
	return out
}
