package desk

import (
	"testing"

	"cotmoc/hub/server/central"
	"cotmoc/hub/trust"
	"cotmoc/playlist"
)

// What waited for signatures in a backup is numbered beyond all that was published, once.
func TestWaitingIsNumberedAgain(t *testing.T) {
	s := newSigns(t)
	s.planned()
	for _, scope := range []playlist.ID{"vn", "ls"} {
		s.publish(scope)
	}
	s.sign()
	s.put(s.publisher, central.Playlists, "p2", playlist.Playlist{ID: "p2", Owner: "ls"})
	s.publish("ls") // waits
	versions := func() map[string]int64 {
		all, err := s.Requests(t.Context())
		s.ok(err)
		out := map[string]int64{}
		for _, q := range all {
			out[q.Role] = q.Version
		}
		return out
	}
	before := versions()
	if before["ls"] == 0 || before["ls"] >= leapBy {
		t.Fatalf("what waits: %v", before)
	}
	s.ok(s.Store.Write(t.Context(), func(tx central.Tx) error { return LeapAhead(t.Context(), tx) }))
	s.ok(s.Witness(t.Context(), OnlineKeys{Snapshot: s.signer(trust.Snapshot), Timestamp: s.signer(trust.Timestamp), Assignment: s.signer(trust.Assignment)})) // at once: machines look at nothing older than what they have
	_, raw, err := s.TrustFiles(t.Context())
	s.ok(err)
	if stamp, err := trust.Read(raw); err != nil || stamp.Version < leapBy {
		t.Errorf("the timestamp after the restore: %+v, %v", stamp, err)
	}
	s.ok(s.Prepare(t.Context()))
	after := versions()
	for role := range before {
		if role != trust.Root && after[role] < leapBy {
			t.Errorf("%s still waits with the number %d", role, after[role])
		}
	}
	s.ok(s.Prepare(t.Context()))
	for role, version := range versions() {
		if version != after[role] {
			t.Errorf("%s was numbered again: %d, then %d", role, after[role], version)
		}
	}
	s.sign()
	if heads, err := s.SignedHeads(t.Context()); err != nil || heads["ls"] != 2 {
		t.Errorf("signed: %v, %v", heads, err)
	}
}
