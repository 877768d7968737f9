package kiosk

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"cotmoc/hub/feed"
	"cotmoc/hub/trust"
	"cotmoc/playlist"
	"cotmoc/playlist/store"
)

// This machine's own memory of what has ended is final: a notice whose cancelling took
// effect and a version that was withdrawn never show again here, whether or not the
// documents that come later still say so. It holds for one hub: ids are each hub's own.

// metaStale is set while what is remembered was another hub's.
const metaStale = "ended_stale"

// gone is every version that was ever withdrawn, and those that emergency withdraws. Of
// another hub's versions nothing is remembered.
func (k *Kiosk) gone(ctx context.Context, emergency feed.Emergency, anothers bool) (map[playlist.ID]bool, error) {
	out, err := k.state.Ended(ctx, store.EndedVersion)
	if anothers {
		clear(out)
	}
	for _, id := range emergency.Withdrawn {
		out[playlist.ID(id)] = true
	}
	return out, err
}

// withdrawnOf lists the versions of these rows that are gone or withdrawn, and those that
// the edition had.
func withdrawnOf(gone map[playlist.ID]bool, had []playlist.ID, rows ...playlist.Rows) []playlist.ID {
	out := map[playlist.ID]bool{}
	for _, id := range had {
		out[id] = true
	}
	for _, r := range rows {
		for _, v := range r.Versions {
			if gone[v.ID] || v.State == playlist.Withdrawn {
				out[v.ID] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(out))
}

// noticesOf joins a catalogue's notices and those of the duty officers, which
// replace them.
func noticesOf(cat *playlist.Catalogue, e feed.Emergency) []playlist.Notice {
	out := []playlist.Notice{}
	fresh := map[playlist.ID]bool{}
	for _, raw := range e.Notices {
		var n playlist.Notice
		if json.Unmarshal(raw, &n) != nil {
			continue
		}
		if n, err := playlist.NewNotice(n); err == nil && len(n.Bodies)+len(n.Cancels) > 0 && !fresh[n.ID] {
			if len(n.Places) == 0 && n.Owner != "" {
				n.Places = []playlist.ID{n.Owner}
			}
			fresh[n.ID] = true
			out = append(out, n)
		}
	}
	for _, n := range cat.Notices {
		if !fresh[n.ID] {
			out = append(out, n)
		}
	}
	return out
}

// cancelled lists the notices that are cancelled for good by those kept and those that
// come. Without a clock, cancelling takes effect when it is received. One that is
// planned for later may still be taken back.
func (k *Kiosk) cancelled(cat *playlist.Catalogue, notices []playlist.Notice) (out []playlist.ID) {
	trusted, _ := k.clock.Trusted()
	now := k.clock.Now()
	if d := k.clock.Doubt(); d != nil { // a wrong clock makes no planned notice take effect
		now, trusted = d.Signed, true
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	mine := k.displaysOf(cat)
	applies := func(n playlist.Notice) bool {
		for _, d := range mine {
			if k.applies(cat, n.Places, d) {
				return true
			}
		}
		return false
	}
	for _, n := range notices {
		if len(n.Cancels) > 0 && (!trusted || !n.Starts.After(now)) && applies(n) {
			out = append(out, n.Cancels...)
		}
	}
	return out
}

// switchTo makes an edition that was loaded the active one, with the notices that it and
// the duty officers give. What ends with it is remembered in the same transaction.
func (k *Kiosk) switchTo(ctx context.Context, id string, l loaded, emergency feed.Emergency, keep map[string]string) error {
	kept, err := k.state.Notices(ctx)
	if err != nil {
		return err
	}
	to := store.Switch{Edition: id, Notices: noticesOf(l.catalogue, emergency), At: k.clock.Now(), Keep: keep, Withdrawn: slices.Clone(l.withdrawn)}
	all := slices.Clone(to.Notices)
	if l.anothers {
		to.Forget = true
		to.Keep = maps.Clone(keep)
		if to.Keep == nil {
			to.Keep = map[string]string{}
		}
		to.Keep[metaStale] = ""
	} else {
		for _, n := range kept {
			all = append(all, n.Notice)
		}
	}
	to.Cancelled = k.cancelled(l.catalogue, all)
	for _, id := range emergency.Withdrawn {
		to.Withdrawn = append(to.Withdrawn, playlist.ID(id))
	}
	return k.state.SwitchEdition(ctx, to)
}

// noticesKept returns the notices that may still count: those that were cancelled for
// good are left out.
func (k *Kiosk) noticesKept(ctx context.Context) ([]store.Notice, error) {
	ended, err := k.state.Ended(ctx, store.EndedNotice)
	if err != nil {
		return nil, err
	}
	kept, err := k.state.Notices(ctx)
	return slices.DeleteFunc(kept, func(n store.Notice) bool { return ended[n.ID] }), err
}

// noticesLeft returns what noticesKept does, with what remains of each now: the database
// says what remained when they were last aged.
func (k *Kiosk) noticesLeft(ctx context.Context) ([]store.Notice, error) {
	k.aging.Lock()
	defer k.aging.Unlock()
	kept, err := k.noticesKept(ctx)
	now := k.clock.Now()
	for n := range kept {
		passed := time.Since(k.aged)
		if came := now.Sub(kept[n].Received); came >= 0 {
			passed = min(passed, came)
		}
		kept[n].Remaining = max(0, kept[n].Remaining-passed)
	}
	return kept, err
}

// ageNotices keeps what remains of every notice, for a start without a clock.
func (k *Kiosk) ageNotices(ctx context.Context) {
	trusted, _ := k.clock.Trusted()
	now := k.clock.Now()
	if d := k.clock.Doubt(); d != nil { // what a wrong clock has ended may run still, by the hub's
		now, trusted = d.Signed, true
	}
	k.aging.Lock()
	at := time.Now()
	err := k.state.AgeNotices(ctx, at.Sub(k.aged), now, trusted)
	text := ""
	if err == nil {
		k.aged = at
	} else {
		text = err.Error()
	}
	k.aging.Unlock()
	k.problem("notices", text)
}

// sameHub says whether two roots of trust are one hub's: they share a key.
func sameHub(a, b []byte) bool {
	old, known, err := trust.HoldersOf(a, trust.Root)
	if err != nil || !known {
		return true // nothing was believed before
	}
	now, _, err := trust.HoldersOf(b, trust.Root)
	return err == nil && slices.ContainsFunc(now.Keys, func(k trust.Key) bool {
		return slices.ContainsFunc(old.Keys, func(o trust.Key) bool { return o.ID == k.ID })
	})
}

// changeHub marks what is remembered as another hub's, where a root is not of the hub
// that was believed before.
func (k *Kiosk) changeHub(ctx context.Context, root []byte) error {
	raw, err := k.state.Meta(ctx, metaTrust)
	var s trust.State
	if err != nil || raw == "" || json.Unmarshal([]byte(raw), &s) != nil || sameHub(s.Root, root) {
		return err
	}
	return k.state.SetMeta(ctx, metaStale, "1")
}
