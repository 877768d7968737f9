package login

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// issuer is an OpenID provider that vouches for whoever it is told to.
type issuer struct {
	*httptest.Server
	key    *rsa.PrivateKey
	claims map[string]any // of the next id_token, over the right ones
	codes  map[string]url.Values
	deny   bool
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{key: key, codes: map[string]url.Values{}}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "k", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("/authorize", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if i.deny {
			http.Redirect(w, r, q.Get("redirect_uri")+"?error=access_denied&state="+url.QueryEscape(q.Get("state")), http.StatusFound)
			return
		}
		code := rand.Text()
		i.codes[code] = q
		http.Redirect(w, r, q.Get("redirect_uri")+"?code="+code+"&state="+url.QueryEscape(q.Get("state")), http.StatusFound)
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		q, ok := i.codes[r.PostFormValue("code")]
		delete(i.codes, r.PostFormValue("code"))
		if !ok || r.PostFormValue("code_verifier") == "" || q.Get("code_challenge_method") != "S256" {
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		claims := map[string]any{"iss": i.URL, "aud": "hub", "sub": "s-1", "email": "lan@mt.gov.vn", "email_verified": true, "nonce": q.Get("nonce"),
			"iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()}
		for k, v := range i.claims {
			claims[k] = v
		}
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, nil)
		if err != nil {
			t.Error(err)
			return
		}
		token, err := jwt.Signed(signer).Claims(claims).Serialize()
		if err != nil {
			t.Error(err)
			return
		}
		answer(w, map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": token})
	})
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

type signed struct {
	issuer, subject, email string
	verified               bool
}

// hub is the part of a hub that signs in through a provider.
func hub(t *testing.T, i *issuer, now func() time.Time) (base string, last *signed, failure *error) {
	t.Helper()
	last, failure = &signed{}, new(error)
	var p *Provider
	mux := http.NewServeMux()
	mux.HandleFunc("/auth/oidc/start", func(w http.ResponseWriter, r *http.Request) {
		if err := p.Start(w, r, false); err != nil {
			*failure = err
		}
	})
	mux.HandleFunc("/auth/oidc/callback", func(_ http.ResponseWriter, r *http.Request) {
		_, *failure = p.Finish(r, "here")
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	p = New(Config{Issuer: i.URL, ClientID: "hub", ClientSecret: "secret", RedirectURL: srv.URL + "/auth/oidc/callback"},
		func(_ context.Context, issuer, subject, email string, verified bool, _ string) (string, error) {
			*last = signed{issuer, subject, email, verified}
			return "token", nil
		}, now)
	return srv.URL, last, failure
}

func browser() *http.Client {
	jar, _ := cookiejar.New(nil)
	return &http.Client{Jar: jar}
}

func get(t *testing.T, c *http.Client, address string) *http.Response {
	t.Helper()
	res, err := c.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res
}

func TestSignIn(t *testing.T) {
	i := newIssuer(t)
	base, last, failure := hub(t, i, time.Now)
	res := get(t, browser(), base+"/auth/oidc/start")
	if *failure != nil || last.subject != "s-1" || last.email != "lan@mt.gov.vn" || !last.verified || last.issuer != i.URL {
		t.Fatalf("%+v %v", last, *failure)
	}
	// The same answer a second time.
	*last = signed{}
	get(t, browser(), res.Request.URL.String())
	if !errors.Is(*failure, ErrCallback) || last.subject != "" {
		t.Errorf("an answer was taken twice: %v", *failure)
	}
}

func TestWrongAnswers(t *testing.T) {
	for name, claims := range map[string]map[string]any{
		"another nonce":    {"nonce": "x"},
		"another audience": {"aud": "somebody"},
		"another issuer":   {"iss": "https://elsewhere"},
		"expired":          {"exp": time.Now().Add(-time.Hour).Unix()},
	} {
		i := newIssuer(t)
		i.claims = claims
		base, last, failure := hub(t, i, time.Now)
		get(t, browser(), base+"/auth/oidc/start")
		if !errors.Is(*failure, ErrCallback) || last.subject != "" {
			t.Errorf("%s: %v %+v", name, *failure, last)
		}
	}
	i := newIssuer(t)
	i.deny = true
	base, last, failure := hub(t, i, time.Now)
	get(t, browser(), base+"/auth/oidc/start")
	if !errors.Is(*failure, ErrCallback) || !strings.Contains((*failure).Error(), "access_denied") || last.subject != "" {
		t.Errorf("%v", *failure)
	}
}

// A sign-in that was begun in one browser cannot be finished in another, nor
// after its time.
func TestAnotherBrowserAndLate(t *testing.T) {
	i := newIssuer(t)
	now := time.Now()
	base, last, failure := hub(t, i, func() time.Time { return now })
	hold := browser()
	hold.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.Contains(r.URL.Path, "callback") {
			return http.ErrUseLastResponse
		}
		return nil
	}
	location := func() string {
		res, err := hold.Get(base + "/auth/oidc/start")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.Header.Get("Location")
	}
	get(t, browser(), location())
	if !errors.Is(*failure, ErrCallback) || last.subject != "" {
		t.Errorf("another browser: %v", *failure)
	}
	late := location()
	now = now.Add(pendingLife)
	get(t, hold, late)
	if !errors.Is(*failure, ErrCallback) || last.subject != "" {
		t.Errorf("too late: %v", *failure)
	}
	get(t, browser(), base+"/auth/oidc/callback?state=made-up&code=x")
	if !errors.Is(*failure, ErrCallback) {
		t.Errorf("a made-up answer: %v", *failure)
	}
}

func TestProviderThatIsDown(t *testing.T) {
	i := newIssuer(t)
	base, _, failure := hub(t, i, time.Now)
	i.Close()
	get(t, browser(), base+"/auth/oidc/start")
	if *failure == nil {
		t.Error("a provider that is down was taken for one that is up")
	}
}

func TestPendingIsBounded(t *testing.T) {
	i := newIssuer(t)
	p := New(Config{Issuer: i.URL, ClientID: "hub", RedirectURL: "http://hub/auth/oidc/callback"}, nil, time.Now)
	for range maxPending + 5 {
		if err := p.Start(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/auth/oidc/start", nil), false); err != nil {
			t.Fatal(err) // strangers who begin and never end lock nobody out
		}
	}
	if len(p.pending) > maxPending {
		t.Errorf("%d are pending", len(p.pending))
	}
}
