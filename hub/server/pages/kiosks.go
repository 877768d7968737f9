package pages

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"cotmoc/hub/server/desk"
	"cotmoc/playlist"
)

type kioskRow struct {
	Heard     int  // seconds ago, while it is connected
	Bare      bool // it has no display
	Behind    bool // it holds an older assignment than it was told
	Device    playlist.ID
	Place     playlist.ID
	State     string
	Connected bool
	Edition   int64
	Last      string
	Shows     string
	Problems  []string
	Plays     int64
	Kbit      int
	Hours     string
	Quota     int
}

// Limits says in short what a machine is held to.
func (r kioskRow) Limits() string {
	var out []string
	if r.Kbit > 0 {
		out = append(out, fmt.Sprintf("%d kbit/s", r.Kbit))
	}
	if r.Hours != "" {
		out = append(out, r.Hours)
	}
	if r.Quota > 0 {
		out = append(out, fmt.Sprintf("%d MB", r.Quota))
	}
	return strings.Join(out, " · ")
}

type kiosksData struct {
	Rows    []kioskRow
	Waiting []desk.Pairing
	Signing []desk.Request
	Pairing *desk.Pairing // found by its code
	Places  []playlist.Place
}

// kiosks shows what the machines at the gates last said, which of them ask to be
// enrolled, and what waits for signatures.
func (p *pages) kiosks(w http.ResponseWriter, r *http.Request, v *view) error {
	lines, err := p.Fleet.Lines(r.Context())
	if err != nil {
		return err
	}
	data := kiosksData{}
	for _, l := range lines {
		row := kioskRow{Device: l.Device.ID, Place: l.Device.Place, State: string(l.Device.State), Connected: !l.Since.IsZero(), Edition: l.Said.Number, Plays: l.Plays,
			Heard: l.Heard, Bare: l.Bare, Behind: l.Told > l.Said.Assignment && !l.Said.Received.IsZero()}
		row.Kbit, row.Hours, row.Quota = l.Device.Kbit, l.Device.Hours, l.Device.QuotaMB
		if !l.Said.Received.IsZero() {
			row.Last = v.Time(l.Said.Received)
		}
		var said struct {
			Problems []string `json:"problems"`
			Displays []struct {
				ID       string `json:"id"`
				Main     string `json:"main"`
				Playlist string `json:"playlist"`
			} `json:"displays"`
		}
		if json.Unmarshal(l.Said.Status, &said) == nil { // a machine of another version may say less
			row.Problems = said.Problems
			for _, d := range said.Displays {
				row.Shows += strings.TrimRight(d.ID+": "+d.Main+" · "+d.Playlist, " ·") + " "
			}
		}
		data.Rows = append(data.Rows, row)
	}
	if data.Signing, err = p.Desk.Requests(r.Context()); err != nil {
		return err
	}
	if code := r.URL.Query().Get("code"); code != "" {
		found, err := p.Desk.PairingByCode(r.Context(), v.by, code)
		if err != nil {
			v.Problem = v.T("wrong-code")
		} else {
			data.Pairing = &found
		}
	}
	v.Title, v.Here, v.Data = v.T("kiosks"), "kiosks", data
	p.show(w, v, http.StatusOK, "kiosks")
	return nil
}

// confirm enrols the machine whose words were compared.
func (p *pages) confirm(w http.ResponseWriter, r *http.Request, v *view) error {
	if _, err := p.Desk.Confirm(r.Context(), v.by, r.PostFormValue("code"), playlist.ID(strings.TrimSpace(r.PostFormValue("place"))), nil); err != nil {
		return err
	}
	p.Fleet.Forget()
	http.Redirect(w, r, "/kiosks?done=enrolled", http.StatusSeeOther)
	return nil
}

// upkeep sets a machine's line and disk.
func (p *pages) upkeep(w http.ResponseWriter, r *http.Request, v *view) error {
	id := playlist.ID(r.PostFormValue("device"))
	kbit, err1 := strconv.Atoi(r.PostFormValue("kbit"))
	quota, err2 := strconv.Atoi(r.PostFormValue("quota"))
	if err1 != nil || err2 != nil {
		return &playlist.Error{Code: playlist.CodeInvalid, Where: "device", Detail: "kbit and quota are whole numbers"}
	}
	if _, err := p.Desk.Keep(r.Context(), v.by, id, desk.Upkeep{Kbit: kbit, Hours: strings.TrimSpace(r.PostFormValue("hours")), QuotaMB: quota}); err != nil {
		return err
	}
	p.Fleet.Changed(string(id))
	http.Redirect(w, r, "/kiosks?done=kept", http.StatusSeeOther)
	return nil
}

// pin sets the PIN of the staff's page for the machines of a place.
func (p *pages) pin(w http.ResponseWriter, r *http.Request, v *view) error {
	set, err := p.Desk.SetPIN(r.Context(), v.by, playlist.ID(strings.TrimSpace(r.PostFormValue("place"))), r.PostFormValue("pin"))
	if err != nil {
		return err
	}
	for _, id := range set {
		p.Fleet.Changed(string(id))
	}
	http.Redirect(w, r, "/kiosks?done=kept", http.StatusSeeOther)
	return nil
}
