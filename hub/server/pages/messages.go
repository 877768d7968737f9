package pages

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/playlist"
)

// maxMessages bounds what the page lists; the newest are kept.
const maxMessages = 200

type messagesData struct {
	Messages []desk.Message
	Moves    []desk.PlannedMove
	More     bool // older ones are not listed
}

// messages shows what the offices of the reader were told of others' acts, and which moves
// of places wait for their day.
func (p *pages) messages(w http.ResponseWriter, r *http.Request, v *view) error {
	data := messagesData{}
	seen := map[playlist.ID]bool{}
	for _, g := range v.by.Grants {
		told, err := p.Desk.Messages(r.Context(), v.by, g.Place)
		if err != nil {
			return err
		}
		for _, m := range told {
			if !seen[m.ID] {
				seen[m.ID] = true
				data.Messages = append(data.Messages, m)
			}
		}
	}
	slices.SortFunc(data.Messages, func(a, b desk.Message) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.ID, b.ID)) })
	moves, err := p.Desk.PlannedMoves(r.Context())
	if err != nil {
		return err
	}
	data.More = len(data.Messages) > maxMessages || len(moves) > maxMessages
	data.Messages, data.Moves = data.Messages[:min(len(data.Messages), maxMessages)], moves[:min(len(moves), maxMessages)]
	v.Title, v.Here, v.Data = v.T("messages"), "messages", data
	p.show(w, v, http.StatusOK, "messages")
	return nil
}

// Row names a row of a kind: a place by its name, an account by its login, others by their
// ids.
func (v *view) Row(kind central.Kind, id playlist.ID) string {
	switch kind {
	case central.Places:
		return v.Place(id)
	case central.Accounts:
		return v.Who(id)
	}
	return string(id)
}

// Tell says a message in the page's language.
func (v *view) Tell(m desk.Message) string {
	arg := func(n int) string {
		if n < len(m.Args) {
			return m.Args[n]
		}
		return ""
	}
	fill := []string{"{row}", v.T("what-"+string(m.Kind)) + " " + v.Row(m.Kind, m.Row)}
	switch m.Code {
	case "deleted":
		fill = append(fill, "{used}", v.T("what-"+arg(0))+" "+v.Row(central.Kind(arg(0)), playlist.ID(arg(1))))
	case "grant-ended":
		fill = append(fill, "{role}", v.T("role-"+arg(0)))
	case "target-gone":
		fill = append(fill, "{place}", v.Place(playlist.ID(arg(0))))
	case "move-failed":
		fill = append(fill, "{to}", v.Place(playlist.ID(arg(0))))
	}
	return strings.NewReplacer(fill...).Replace(v.T("message-" + m.Code))
}

// Why is what a message quotes of the hub's own words.
func (v *view) Why(m desk.Message) string {
	if m.Code == "move-failed" && len(m.Args) > 1 {
		return m.Args[1]
	}
	return ""
}

// Act names what a move does.
func (v *view) Act(m desk.PlannedMove) string {
	switch {
	case m.Close:
		return v.T("act-close")
	case m.Merge:
		return v.T("act-merge")
	}
	return v.T("act-move")
}

// Day writes the local day of an instant as people in Vietnam read it.
func (v *view) Day(t time.Time) string { return v.Date(playlist.DateOf(v.local(t))) }
