package kiosk

import (
	"context"
	"errors"
	"time"

	"cotmoc/device"
)

// What is kept of the clock.
const (
	metaFloor  = "clock_floor"
	metaAnchor = "clock_anchor"
)

// keptClock reads what was kept of the clock; what cannot be read was never kept.
func (k *Kiosk) keptClock(ctx context.Context) (kept device.Kept, err error) {
	at := func(key string) time.Time {
		text, e := k.state.Meta(ctx, key)
		err = errors.Join(err, e)
		t, _ := time.Parse(time.RFC3339, text) // none kept yet: the build time is the floor
		return t
	}
	kept.Floor, kept.Anchor = at(metaFloor), at(metaAnchor)
	return kept, err
}

// keepClock adds to what is kept what the clock must know at the next start.
func keepClock(keep map[string]string, c *device.Clock) map[string]string {
	kept := c.Keep()
	keep[metaFloor] = kept.Floor.UTC().Format(time.RFC3339)
	keep[metaAnchor] = kept.Anchor.UTC().Format(time.RFC3339)
	return keep
}
