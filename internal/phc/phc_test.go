package phc

import "testing"

func TestHash(t *testing.T) {
	a, b := Hash("246810"), Hash("246810")
	if a == b {
		t.Error("two hashes have one salt")
	}
	for _, c := range []struct {
		hash, secret string
		ok, damaged  bool
	}{
		{a, "246810", true, false}, {a, "246811", false, false}, {a, "", false, false}, {Dummy, "", false, false},
		{"", "246810", false, true}, {a[:len(a)-50], "246810", false, true}, {"246810", "246810", false, true},
		{"$argon2id$v=19$m=99999999,t=2,p=1$AAAA$AAAA", "x", false, true}, {"$argon2id$v=19$m=64,t=0,p=1$AAAA$AAAA", "x", false, true},
		{"$argon2id$v=19$m=64,t=1,p=1$!$!", "x", false, true},
	} {
		if ok, err := Check(c.hash, c.secret); ok != c.ok || (err != nil) != c.damaged {
			t.Errorf("%.30q %q: %v %v", c.hash, c.secret, ok, err)
		}
	}
}
