package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"cotmoc/internal/kiosk"
	"cotmoc/playlist"
	"cotmoc/playlist/resolve"
)

// planRow is one display's layer at one instant.
type planRow struct {
	Display playlist.ID `json:"display"`
	At      time.Time   `json:"at"`
	Until   *time.Time  `json:"until,omitempty"`
	kiosk.Decision
	Items []playlist.ID `json:"items,omitempty"` // what can play, in order
}

func runPlan(ctx context.Context, c *cli, args []string) error {
	set := c.flags("plan")
	dir := set.String("data", "", "folder of the kiosk's data")
	at := set.String("at", "", "instant, as 2027-03-01T14:00:00+07:00")
	until := set.String("until", "", "end of a range (default: the instant only)")
	display := set.String("display", "", "id of a display (default: all)")
	asJSON := set.Bool("json", false, "print JSON")
	if err := parseWithData(set, args, 0, dir); err != nil {
		return err
	}
	from, err := time.Parse(time.RFC3339, *at)
	if err != nil {
		return usageError{fmt.Sprintf("--at %q is not a time such as 2027-03-01T14:00:00+07:00", *at)}
	}
	to := from
	if *until != "" {
		if to, err = time.Parse(time.RFC3339, *until); err != nil || to.Before(from) || to.Sub(from) > 400*24*time.Hour {
			return usageError{fmt.Sprintf("--until %q is not a time up to 400 days after --at", *until)}
		}
	}
	composer, edition, err := kiosk.Reader(ctx, *dir)
	if err != nil {
		return err
	}
	defer edition.Close()
	var rows []planRow
	ids := slices.Sorted(maps.Keys(composer.Catalogue.Displays))
	for _, id := range ids {
		if *display == "" || string(id) == *display {
			rows = append(rows, planDisplay(composer, composer.Catalogue.Displays[id], from, to)...)
		}
	}
	if *display != "" && len(rows) == 0 {
		return fmt.Errorf("there is no display %q; there are %v", *display, ids)
	}
	if *asJSON {
		enc := json.NewEncoder(c.out)
		enc.SetIndent("", " ")
		return enc.Encode(rows)
	}
	printPlan(c, composer, rows)
	return nil
}

func planDisplay(composer *kiosk.Composer, d playlist.Display, from, to time.Time) []planRow {
	var rows []planRow
	notices := []resolve.Notice{}
	for _, n := range composer.Catalogue.Notices {
		if composer.Catalogue.Applies(n.Places, nil, d) {
			notices = append(notices, resolve.Notice{Notice: n})
		}
	}
	for _, layer := range playlist.Layers {
		for at := from; ; {
			m := kiosk.Moment{At: at, Trusted: true, Notices: notices}
			row := planRow{Display: d.ID, At: at, Decision: composer.Decide(d, layer, m, true)}
			row.Until = row.Next
			row.Items = composer.Playable(d, row.Playlist, m)
			rows = append(rows, row)
			if row.Next == nil || !row.Next.Before(to) {
				break
			}
			at = *row.Next
		}
	}
	return rows
}

func printPlan(c *cli, composer *kiosk.Composer, rows []planRow) {
	for _, r := range rows {
		zone := composer.Catalogue.ZoneOf(composer.Catalogue.Displays[r.Display].Place)
		until := "for ever"
		if r.Until != nil {
			until = "until " + r.Until.In(zone).Format("2006-01-02 15:04:05 MST")
		}
		fmt.Fprintf(c.out, "%s  %s  %s: %s (playlist %s, %d items) %s\n", r.At.In(zone).Format("2006-01-02 15:04:05 MST"),
			r.Display, r.Layer, r.Winner, orNone(r.Playlist), len(r.Items), until)
		for _, l := range r.Losers {
			fmt.Fprintf(c.out, "    %s\n", lossText(l))
		}
	}
}

// lossText says in words why a schedule or notice does not play.
func lossText(l resolve.Loss) string {
	text := map[resolve.Rule]string{
		resolve.RuleNotice: "is covered by notice " + string(l.By), resolve.RuleClock: "does not compete", resolve.RuleNotNow: "is not on now",
		resolve.RuleUnplayable: "cannot play here", resolve.RulePriority: "lost to " + string(l.By) + ", which has the higher priority",
		resolve.RuleOneOff: "lost to " + string(l.By) + ": one-off before recurring before always",
		resolve.RuleLater:  "lost to " + string(l.By) + ", which started later", resolve.RuleID: "lost to " + string(l.By) + ", whose id is smaller",
	}[l.Rule]
	if l.Detail != "" {
		text += ": " + l.Detail
	}
	return string(l.ID) + " " + text
}

func orNone(id playlist.ID) playlist.ID {
	if id == "" {
		return "none"
	}
	return id
}

func runVectors(_ context.Context, c *cli, args []string) error {
	set := c.flags("vectors")
	if err := parse(set, args, 1); err != nil {
		return err
	}
	raw, err := os.ReadFile(set.Arg(0))
	if err != nil {
		return fmt.Errorf("vectors file: %w", err)
	}
	v, err := resolve.DecodeVectors(raw)
	if err != nil {
		return err
	}
	passed, failed := 0, 0
	for _, one := range v.Cases {
		if err := v.Run(one); err != nil {
			failed++
			fmt.Fprintf(c.out, "FAIL %s: %v\n", one.Name, err)
			continue
		}
		passed++
	}
	fmt.Fprintf(c.out, "%d passed, %d failed\n", passed, failed)
	if failed > 0 {
		return fmt.Errorf("%d of %d cases failed", failed, passed+failed)
	}
	return nil
}
