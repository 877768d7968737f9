package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/server/rights"
	"cotmoc/playlist"
)

// Me is who is signed in.
type Me struct {
	Account desk.Account   `json:"account"`
	Grants  []rights.Grant `json:"grants"`
}

// session registers signing in and out.
func (s *Server) session() {
	type signIn struct {
		Body struct {
			Login    string `json:"login" maxLength:"100"`
			Password string `json:"password" maxLength:"1000"`
			Code     string `json:"code,omitempty" maxLength:"10" doc:"of the second step, or a recovery code"`
			New      string `json:"new,omitempty" maxLength:"1000" doc:"your own password, in place of the first that an administrator gave"`
		}
	}
	type token struct {
		Token string `json:"token" doc:"shown once; ends after an hour without a request, at the latest after 12"`
	}
	op := huma.Operation{Method: http.MethodPost, Path: Prefix + "/session", OperationID: "sign_in", Summary: "Sign in", Tags: []string{"session"},
		Security: []map[string][]string{}, MaxBodyBytes: 8192, BodyReadTimeout: -1, DefaultStatus: http.StatusCreated, Errors: []int{http.StatusUnauthorized, http.StatusTooManyRequests}}
	huma.Register(s.huma, op, func(ctx context.Context, in *signIn) (*struct{ Body token }, error) {
		by, _ := caller(ctx)
		t, err := s.Desk.SignInFirst(ctx, in.Body.Login, in.Body.Password, in.Body.Code, in.Body.New, by.From)
		if err != nil {
			return nil, explainIn(ctx, err)
		}
		return &struct{ Body token }{token{t}}, nil
	})
	add(s, huma.Operation{Method: http.MethodDelete, Path: "/session", OperationID: "sign_out", Summary: "Sign out", Tags: []string{"session"}},
		func(ctx context.Context, by desk.Caller, _ *struct{}) (*struct{}, error) {
			in, _ := ctx.Value(callerKey{}).(signedIn)
			return nil, s.Desk.SignOut(ctx, by, in.token)
		})
	add(s, huma.Operation{Method: http.MethodGet, Path: "/me", OperationID: "me", Summary: "Who you are and what you were given", Tags: []string{"session"}},
		func(ctx context.Context, by desk.Caller, _ *struct{}) (*struct{ Body Me }, error) {
			_, a, err := s.Desk.Account(ctx, by.Account)
			return &struct{ Body Me }{Me{a, append([]rights.Grant{}, by.Grants...)}}, err
		})
	type newPassword struct {
		Body struct {
			Old string `json:"old" maxLength:"1000"`
			New string `json:"new" maxLength:"1000" doc:"10 characters or more"`
		}
	}
	add(s, huma.Operation{Method: http.MethodPost, Path: "/me/password", OperationID: "change_own_password", Summary: "Change your password; all your sessions end", Tags: []string{"session"}},
		func(ctx context.Context, by desk.Caller, in *newPassword) (*struct{}, error) {
			return nil, s.Desk.ChangePassword(ctx, by, in.Body.Old, in.Body.New)
		})
	s.twoSteps()
	s.ownSessions()
}

// codeInput is a code of the second step.
type codeInput struct {
	Body struct {
		Code string `json:"code" minLength:"6" maxLength:"6"`
	}
}

func (s *Server) twoSteps() {
	type address struct {
		Address string `json:"address" doc:"otpauth address; draw it as a QR code"`
	}
	add(s, huma.Operation{Method: http.MethodPost, Path: "/me/two-steps", OperationID: "start_two_steps", Summary: "Make a secret for your second step", Tags: []string{"session"}},
		func(ctx context.Context, by desk.Caller, _ *struct{}) (*struct{ Body address }, error) {
			by.Key = "" // the secret is shown once and kept in no answer
			a, err := s.Desk.StartTwoSteps(ctx, by)
			return &struct{ Body address }{address{a}}, err
		})
	add(s, huma.Operation{Method: http.MethodPost, Path: "/me/two-steps/confirm", OperationID: "confirm_two_steps", Summary: "Turn your second step on", Tags: []string{"session"}},
		func(ctx context.Context, by desk.Caller, in *codeInput) (*struct{}, error) {
			return nil, s.Desk.ConfirmTwoSteps(ctx, by, in.Body.Code)
		})
}

// ownSessions registers what people see and end of their own sessions.
func (s *Server) ownSessions() {
	add(s, huma.Operation{Method: http.MethodGet, Path: "/me/sessions", OperationID: "own_sessions", Summary: "Where you are signed in", Tags: []string{"session"}},
		func(ctx context.Context, by desk.Caller, _ *struct{}) (*struct{ Body []desk.Session }, error) {
			in, _ := ctx.Value(callerKey{}).(signedIn)
			all, err := s.Desk.Sessions(ctx, by, in.token)
			return &struct{ Body []desk.Session }{all}, err
		})
	add(s, huma.Operation{Method: http.MethodDelete, Path: "/me/sessions/{id}", OperationID: "end_own_session", Summary: "End one of your sessions", Tags: []string{"session"}},
		func(ctx context.Context, by desk.Caller, in *oneInput) (*struct{}, error) {
			return nil, s.Desk.EndSession(ctx, by, in.ID)
		})
	type codes struct {
		Codes []string `json:"codes" doc:"shown once; each stands once for a code of the second step"`
	}
	add(s, huma.Operation{Method: http.MethodPost, Path: "/me/recovery-codes", OperationID: "recovery_codes", Summary: "Make codes for the day on which your phone is lost; those made before hold no more", Tags: []string{"session"}},
		func(ctx context.Context, by desk.Caller, in *codeInput) (*struct{ Body codes }, error) {
			all, err := s.Desk.RecoveryCodes(ctx, by, in.Body.Code)
			return &struct{ Body codes }{codes{all}}, err
		})
}

type accountOutput struct {
	ETag string `header:"ETag"`
	Body desk.Account
}

func (s *Server) people() {
	s.accounts()
	op := func(method, path, id, summary string) huma.Operation {
		return huma.Operation{Method: method, Path: path, OperationID: id, Summary: summary, Tags: []string{"people"}}
	}
	grant := op(http.MethodPost, "/grants", "add_grant", "Give an account a role at a place and all below it")
	grant.DefaultStatus = http.StatusCreated
	add(s, grant, func(ctx context.Context, by desk.Caller, in *createInput[rights.Grant]) (*struct{ Body rights.Grant }, error) {
		g, err := s.Desk.AddGrant(ctx, by, in.Body)
		return &struct{ Body rights.Grant }{g}, err
	})
	add(s, op(http.MethodDelete, "/grants/{id}", "remove_grant", "Take a role away"), func(ctx context.Context, by desk.Caller, in *oneInput) (*struct{}, error) {
		return nil, s.Desk.RemoveGrant(ctx, by, in.ID)
	})
	type grantsInput struct {
		PageQuery
		Account playlist.ID `query:"account" maxLength:"128"`
	}
	add(s, op(http.MethodGet, "/grants", "list_grants", "List grants"), func(ctx context.Context, by desk.Caller, in *grantsInput) (*pageOutput[rights.Grant], error) {
		in.Item = in.Account
		return list[rights.Grant](ctx, s, by, central.Grants, &in.PageQuery)
	})
	type effectiveInput struct {
		ID    playlist.ID `path:"id" maxLength:"128"`
		Place playlist.ID `query:"place" maxLength:"128" required:"true"`
	}
	add(s, op(http.MethodGet, "/accounts/{id}/rights", "effective_rights", "What an account may do at a place, and by which grants"),
		func(ctx context.Context, by desk.Caller, in *effectiveInput) (*struct{ Body []rights.Effective }, error) {
			if _, err := s.Desk.Row(ctx, by, central.Accounts, in.ID); err != nil {
				return nil, err
			}
			rows, err := s.Desk.Effective(ctx, in.ID, in.Place)
			return &struct{ Body []rights.Effective }{rows}, err
		})
}

func (s *Server) accounts() {
	op := func(method, path, id, summary string) huma.Operation {
		return huma.Operation{Method: method, Path: path, OperationID: id, Summary: summary, Tags: []string{"people"}}
	}
	type newAccount struct {
		Key  string `header:"Idempotency-Key" maxLength:"255"`
		Body struct {
			Login    string      `json:"login" maxLength:"100"`
			Name     string      `json:"name" maxLength:"200"`
			Place    playlist.ID `json:"place" maxLength:"128" doc:"whose administrators look after the account"`
			Password string      `json:"password,omitempty" maxLength:"1000" doc:"10 characters or more; without one the person signs in through the OpenID provider"`
		}
	}
	create := op(http.MethodPost, "/accounts", "create_account", "Make an account")
	create.DefaultStatus = http.StatusCreated
	add(s, create, func(ctx context.Context, by desk.Caller, in *newAccount) (*accountOutput, error) {
		a, err := s.Desk.AddAccount(ctx, by, desk.Account{Login: in.Body.Login, Name: in.Body.Name, Place: in.Body.Place}, in.Body.Password)
		return &accountOutput{etag(1), a}, err
	})
	add(s, op(http.MethodGet, "/accounts", "list_accounts", "List accounts"), func(ctx context.Context, by desk.Caller, in *PageQuery) (*struct{ Body accountPage }, error) {
		page, err := s.Desk.Rows(ctx, by, central.Query{Kind: central.Accounts, After: in.After, Limit: in.Limit}, in.Under)
		if err != nil {
			return nil, err
		}
		out := accountPage{Rows: []desk.Account{}, Next: page.Next}
		for _, d := range page.Docs {
			a, err := central.Decode[desk.Account](d) // the secrets stay behind
			if err != nil {
				return nil, err
			}
			out.Rows = append(out.Rows, a)
		}
		return &struct{ Body accountPage }{out}, nil
	})
	add(s, op(http.MethodGet, "/accounts/{id}", "get_account", "Read an account"), func(ctx context.Context, by desk.Caller, in *oneInput) (*accountOutput, error) {
		if _, err := s.Desk.Row(ctx, by, central.Accounts, in.ID); err != nil {
			return nil, err
		}
		doc, a, err := s.Desk.Account(ctx, in.ID)
		return &accountOutput{etag(doc.Rev), a}, err
	})
	add(s, op(http.MethodPatch, "/accounts/{id}", "change_account", "Change an account; a new password and disabling end its sessions"),
		func(ctx context.Context, by desk.Caller, in *changeInput[desk.AccountChange]) (*accountOutput, error) {
			rev, err := revision(in.IfMatch)
			if err != nil {
				return nil, err
			}
			doc, err := s.Desk.ChangeAccount(ctx, by, in.ID, rev, in.Body)
			if err != nil {
				return nil, err
			}
			a, err := central.Decode[desk.Account](doc)
			return &accountOutput{etag(doc.Rev), a}, err
		})
}

type accountPage struct {
	Rows []desk.Account `json:"rows"`
	Next playlist.ID    `json:"next,omitempty"`
}
