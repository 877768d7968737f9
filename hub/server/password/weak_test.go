package password

import "testing"

func TestWeak(t *testing.T) {
	for _, pass := range []string{"", "short", "1234567890", "abcdefghijkl", "aaaaaaaaaaaa", "password123", "Matkhau@2026", "nguyen.lan12", "qwerty123456", "vietnam2026", "ababababab"} {
		if Weak(pass, "nguyen.lan@mt.gov.vn") == nil {
			t.Errorf("%q is accepted", pass)
		}
	}
	for _, pass := range []string{"một cây làm chẳng nên non", "correct horse battery", "Xq7#pL2w!mZ", "thác bản giốc 41"} {
		if err := Weak(pass, "lan"); err != nil {
			t.Errorf("%q: %v", pass, err)
		}
	}
}
