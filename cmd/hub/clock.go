package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// clock says whether the hub's clock may sign, takes a person's word for it, and prepares
// the correction of kiosks' clocks.
func clock(ctx context.Context, c *call) (int, error) {
	set, _ := flags("clock", c.stderr)
	to := set.String("to", "", "instant at which kiosks begin again, as 2027-02-06T08:00:00Z: one that had passed before wrong times were signed")
	as := set.String("as", "", "account that does it; without it the console")
	asJSON := set.Bool("json", false, "print JSON")
	rest, code, err := parse(set, c.args)
	if err != nil {
		return asked(code, err)
	}
	by, err := caller(ctx, c.hub, *as)
	if err != nil {
		return failed(err)
	}
	switch {
	case len(rest) == 0:
		held := c.hub.Held()
		if *asJSON {
			return failed(printJSON(c.out, map[string]any{"now": c.hub.Desk.Now().UTC(), "held": held}))
		}
		fmt.Fprintf(c.out, "The clock says %s.\n", c.hub.Desk.Now().UTC().Format(time.RFC3339))
		if held != nil {
			fmt.Fprintf(c.out, "Nothing is signed: it said %s when it should have said %s, by %s. Set it right, then: hub clock confirm\n",
				held.Wall.UTC().Format(time.RFC3339), held.Other.UTC().Format(time.RFC3339), held.Against)
		}
		return 0, nil
	case len(rest) == 1 && rest[0] == "confirm":
		if err := c.hub.Desk.ConfirmClock(ctx, by); err != nil {
			return failed(err)
		}
		fmt.Fprintf(c.out, "The clock is believed: %s. What was signed for too long waits for new signatures.\n", c.hub.Desk.Now().UTC().Format(time.RFC3339))
		return failed(c.hub.Distribute(ctx))
	case len(rest) == 1 && rest[0] == "correct" && *to != "":
		at, err := time.Parse(time.RFC3339, *to)
		if err != nil {
			return 2, fmt.Errorf("--to: %w", err)
		}
		q, err := c.hub.CorrectClocks(ctx, by, at)
		if err != nil {
			return failed(err)
		}
		fmt.Fprintf(c.out, "root version %d waits for %d signatures of its holders: hub sign --key KEY, for each\n", q.Version, q.Need)
		for _, line := range q.Changes {
			fmt.Fprintf(c.out, "  %s\n", line)
		}
		return failed(c.hub.Distribute(ctx))
	}
	return 2, errors.New("give: clock, clock confirm, or clock correct --to TIME")
}
