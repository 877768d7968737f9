package desk

import (
	"context"
	"time"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/rights"
	"cotmoc/playlist"
)

// Message tells an office what others' acts have done to its rows. Its words are made
// where it is read, by its code.
type Message struct {
	ID    playlist.ID  `json:"id"`
	Place playlist.ID  `json:"place"` // the office
	Code  string       `json:"code"`  // deleted: something that the row uses; move-failed
	Kind  central.Kind `json:"kind"`  // the row
	Row   playlist.ID  `json:"row"`
	Args  []string     `json:"args,omitempty"`
	By    string       `json:"by"`
	At    time.Time    `json:"at"`
}

// messageLife is how long a message is kept.
const messageLife = 90 * 24 * time.Hour

// tell leaves a message for a place.
func (t *tx) tell(place playlist.ID, m Message) error {
	m.ID, m.Place, m.By, m.At = NewID(), place, t.by.Login, t.now
	doc := central.Doc{Kind: central.Messages, ID: m.ID, Owner: place, Due: t.now.Add(messageLife)}
	if err := doc.Encode(m); err != nil {
		return err
	}
	_, err := t.put(doc)
	return err
}

// Messages lists what a place and those below it were told, the newest last.
func (d *Desk) Messages(ctx context.Context, by Caller, place playlist.ID) (out []Message, err error) {
	out = []Message{}
	err = d.read(ctx, func(r central.Reader, places *tree) error {
		if err := (&tx{by: by, tree: places}).need(rights.Read, place); err != nil {
			return err
		}
		out, err = central.All[Message](ctx, r, central.Query{Kind: central.Messages, Owners: places.below(place)})
		return err
	})
	return out, err
}
