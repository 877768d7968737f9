package password

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cotmoc/playlist"
)

func TestHash(t *testing.T) {
	h := New()
	hash, err := h.Hash(t.Context(), "mật khẩu dài")
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("%q %v", hash, err)
	}
	again, err := h.Hash(t.Context(), "mật khẩu dài")
	if err != nil || again == hash {
		t.Errorf("two hashes share their salt: %v", err)
	}
	for pass, want := range map[string]bool{"mật khẩu dài": true, "mật khẩu dai": false, "": false, strings.Repeat("x", 5000): false} {
		if ok, err := h.Check(t.Context(), Who{Known: true}, hash, pass); ok != want || err != nil {
			t.Errorf("%.20q: %t %v", pass, ok, err)
		}
	}
	for _, pass := range []string{"", "short", strings.Repeat("x", Max+1)} {
		if _, err := h.Hash(t.Context(), pass); playlist.CodeOf(err) != playlist.CodeInvalid {
			t.Errorf("%.20q was taken: %v", pass, err)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	h := New()
	if ok, err := h.Check(t.Context(), Who{Known: true}, "", ""); ok || err != nil {
		t.Errorf("an account without a password: %t %v", ok, err)
	}
	good, _ := h.Hash(t.Context(), "0123456789")
	for _, hash := range []string{"x", "$argon2i$v=19$m=1,t=1,p=1$AA$AA", strings.Replace(good, "m=19456", "m=99999999", 1), strings.Replace(good, "t=2", "t=0", 1), good[:len(good)-3] + "***", strings.Replace(good, "v=19", "v=16", 1)} {
		if ok, err := h.Check(t.Context(), Who{Known: true}, hash, "0123456789"); ok || err == nil {
			t.Errorf("%q: %t %v", hash, ok, err)
		}
	}
}

// However many sign in, two hash at a time, nobody waits for ever, and strangers keep
// nobody out who was here before.
func TestHashingWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New()
		stranger, known := Who{From: "10.0.0.1"}, Who{From: "10.0.0.1", Known: true}
		leave1, err := h.enter(t.Context(), stranger)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if _, err := h.enter(t.Context(), stranger); !errors.Is(err, ErrBusy) || time.Since(begin) != patience {
			t.Errorf("a second stranger: %v after %v", err, time.Since(begin))
		}
		leave2, err := h.enter(t.Context(), known)
		if err != nil {
			t.Fatalf("one who was here before: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := h.enter(ctx, known); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			leave, err := h.enter(t.Context(), stranger)
			if err != nil {
				t.Error(err)
				return
			}
			leave()
		})
		synctest.Wait()
		leave1()
		wg.Wait()
		leave2()
		// Four of one address wait, and 32 of all; the others are told at once.
		leave1, err = h.enter(t.Context(), stranger)
		if err != nil {
			t.Fatal(err)
		}
		var refused atomic.Int32
		ask := func(n int, from string) {
			for range n {
				wg.Go(func() {
					begin := time.Now()
					if _, err := h.enter(t.Context(), Who{From: from}); errors.Is(err, ErrBusy) && time.Since(begin) == 0 {
						refused.Add(1)
					}
				})
			}
			synctest.Wait()
		}
		if ask(10, "10.0.0.2"); refused.Load() != 6 {
			t.Errorf("of ten of one address %d were told at once", refused.Load())
		}
		for n := range 10 {
			ask(4, fmt.Sprint("10.1.0.", n))
		}
		if refused.Load() != 6+40-28 {
			t.Errorf("%d were told at once", refused.Load())
		}
		wg.Wait()
		leave1()
	})
}

// The vectors of RFC 6238, appendix B, for SHA-1, cut to six digits.
func TestCodeVectors(t *testing.T) {
	secret := base32.StdEncoding.EncodeToString([]byte("12345678901234567890"))
	for at, code := range map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130"} {
		step, ok := Code(secret, code, time.Unix(at, 0), 0)
		if !ok || step != at/30 {
			t.Errorf("%d: %d %t", at, step, ok)
		}
		if _, ok := Code(secret, code, time.Unix(at, 0), step); ok {
			t.Errorf("%d: a code was taken twice", at)
		}
		if _, ok := Code(secret, code, time.Unix(at+90, 0), 0); ok {
			t.Errorf("%d: an old code was taken", at)
		}
		if _, ok := Code(secret, code, time.Unix(at+30, 0), 0); !ok {
			t.Errorf("%d: a clock half a minute off is too much", at)
		}
	}
	for _, code := range []string{"", "28708", "2870820", "abcdef"} {
		if _, ok := Code(secret, code, time.Unix(59, 0), 0); ok {
			t.Errorf("%q was taken", code)
		}
	}
	if _, ok := Code("", "000000", time.Unix(59, 0), 0); ok {
		t.Error("an account without a secret has a code")
	}
	address, made, err := NewTOTP("lan@mt.gov.vn")
	if err != nil || !strings.HasPrefix(address, "otpauth://totp/") || len(made) != 32 {
		t.Errorf("%s %s %v", address, made, err)
	}
}
