package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/server/fleet"
	"cotmoc/playlist"
)

func (s *Server) planning() {
	op := func(method, path, id, summary string) huma.Operation {
		return huma.Operation{Method: method, Path: path, OperationID: id, Summary: summary, Tags: []string{"plan"}}
	}
	type atInput struct {
		Display   playlist.ID `query:"display" maxLength:"128" required:"true"`
		At        time.Time   `query:"at" doc:"default: now"`
		Published bool        `query:"published" doc:"only what the newest editions hold; else everything approved so far"`
	}
	add(s, op(http.MethodGet, "/resolve", "resolve", "What plays on a display at an instant, on each layer, and why"),
		func(ctx context.Context, by desk.Caller, in *atInput) (*struct{ Body []desk.Decision }, error) {
			view, err := s.view(ctx, by, in.Display, in.Published)
			if err != nil {
				return nil, err
			}
			if in.At.IsZero() {
				in.At = s.Desk.Now()
			}
			rows, err := view.At(in.Display, in.At)
			return &struct{ Body []desk.Decision }{rows}, err
		})
	type rangeInput struct {
		Display   playlist.ID    `query:"display" maxLength:"128" required:"true"`
		Layer     playlist.Layer `query:"layer" enum:"main,side,ticker,audio" default:"main"`
		From      time.Time      `query:"from" required:"true"`
		Until     time.Time      `query:"until" required:"true" doc:"at most 62 days after from"`
		Published bool           `query:"published"`
	}
	add(s, op(http.MethodGet, "/resolve/range", "resolve_range", "What plays on a layer over a time, with gaps and what is beaten"),
		func(ctx context.Context, by desk.Caller, in *rangeInput) (*struct{ Body []desk.Stretch }, error) {
			view, err := s.view(ctx, by, in.Display, in.Published)
			if err != nil {
				return nil, err
			}
			rows, err := view.Range(in.Display, in.Layer, in.From, in.Until)
			return &struct{ Body []desk.Stretch }{rows}, err
		})
	s.visits()
	s.noticeShown()
	s.publishing()
	s.moves()
}

// view is the plan of a display. What is not published yet is for those who work there.
func (s *Server) view(ctx context.Context, by desk.Caller, display playlist.ID, published bool) (*desk.View, error) {
	view, err := s.Plans.View(ctx, published)
	if err != nil || published {
		return view, err
	}
	if d, ok := view.Catalogue.Displays[display]; ok {
		err = s.Desk.Works(ctx, by, d.Place)
	}
	return view, err
}

// visits registers what is counted at the touch screens.
func (s *Server) visits() {
	type visitsInput struct {
		Place playlist.ID `query:"place" maxLength:"128" doc:"and the places below it; default: all"`
		From  string      `query:"from" format:"date" required:"true" doc:"local date"`
		Until string      `query:"until" format:"date" required:"true" doc:"local date, inclusive; at most 400 days"`
	}
	op := huma.Operation{Method: http.MethodGet, Path: "/visits", OperationID: "visits", Summary: "What visitors did at the touch screens, by day; values under 5 are left out", Tags: []string{"kiosks"}}
	add(s, op, func(ctx context.Context, by desk.Caller, in *visitsInput) (*struct{ Body fleet.Visits }, error) {
		from, err1 := playlist.NewDate(in.From)
		until, err2 := playlist.NewDate(in.Until)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		if in.Place == "" {
			root, err := s.Desk.Root(ctx)
			if err != nil {
				return nil, err
			}
			in.Place = root
		}
		if err := s.Desk.Works(ctx, by, in.Place); err != nil {
			return nil, err
		}
		v, err := s.Fleet.Visits(ctx, in.Place, from, until)
		return &struct{ Body fleet.Visits }{v}, err
	})
}

// noticeShown registers what machines have proved of notices.
func (s *Server) noticeShown() {
	op := huma.Operation{Method: http.MethodGet, Path: "/notices/{id}/shown", OperationID: "notice-shown", Summary: "Where and when a notice was on screens, as the machines have proved it so far", Tags: []string{"kiosks"}}
	add(s, op, func(ctx context.Context, _ desk.Caller, in *oneInput) (*struct{ Body []*central.Shown }, error) {
		shown, err := s.Fleet.Store.Shown(ctx, in.ID)
		return &struct{ Body []*central.Shown }{shown}, err
	})
}

// moves are the acts on the tree of places.
func (s *Server) moves() {
	type moveInput struct {
		ID   playlist.ID `path:"id" maxLength:"128"`
		Body struct {
			To     playlist.ID   `json:"to,omitempty"`
			Merge  bool          `json:"merge,omitempty" doc:"what lies under it and what it owns goes to the other"`
			Close  bool          `json:"close,omitempty" doc:"what it has goes to the place above it, and it is deleted as soon as nothing needs it; without to"`
			On     playlist.Date `json:"on,omitzero" doc:"local date of effect; without it at once"`
			Source string        `json:"source,omitempty" doc:"the decision on which it rests" maxLength:"500"`
			Seen   string        `json:"seen,omitempty" doc:"of the preview; without it nothing is changed, and the preview is the answer"`
		}
	}
	op := huma.Operation{Method: http.MethodPost, Path: "/places/{id}/move", OperationID: "place-move", Summary: "Move, merge or close a place: first a preview, then, with what it says was seen, the act", Tags: []string{"places"}}
	add(s, op, func(ctx context.Context, by desk.Caller, in *moveInput) (*struct{ Body desk.MovePreview }, error) {
		m := desk.Move{Place: in.ID, To: in.Body.To, Merge: in.Body.Merge, Close: in.Body.Close, On: in.Body.On, Source: in.Body.Source}
		act := func() (desk.MovePreview, error) { return s.Desk.PreviewMove(ctx, by, m) }
		if in.Body.Seen != "" {
			act = func() (desk.MovePreview, error) { return s.Desk.MovePlace(ctx, by, m, in.Body.Seen) }
		}
		p, err := act()
		return &struct{ Body desk.MovePreview }{p}, err
	})
	op = huma.Operation{Method: http.MethodGet, Path: "/moves", OperationID: "moves", Summary: "Moves of places that wait for their day, and what became of those before", Tags: []string{"places"}}
	add(s, op, func(ctx context.Context, _ desk.Caller, _ *struct{}) (*struct{ Body []desk.PlannedMove }, error) {
		all, err := s.Desk.PlannedMoves(ctx)
		return &struct{ Body []desk.PlannedMove }{all}, err
	})
	op = huma.Operation{Method: http.MethodDelete, Path: "/moves/{id}", OperationID: "move-cancel", Summary: "Cancel a move whose day has not come", Tags: []string{"places"}}
	add(s, op, func(ctx context.Context, by desk.Caller, in *oneInput) (*struct{}, error) {
		return nil, s.Desk.CancelMove(ctx, by, in.ID)
	})
	type messagesInput struct {
		Place playlist.ID `query:"place" required:"true" maxLength:"128" doc:"the office, and those below it"`
	}
	op = huma.Operation{Method: http.MethodGet, Path: "/messages", OperationID: "messages", Summary: "What an office was told of others' acts on what its rows use", Tags: []string{"places"}}
	add(s, op, func(ctx context.Context, by desk.Caller, in *messagesInput) (*struct{ Body []desk.Message }, error) {
		all, err := s.Desk.Messages(ctx, by, in.Place)
		return &struct{ Body []desk.Message }{all}, err
	})
}

func (s *Server) publishing() {
	op := func(method, path, id, summary string) huma.Operation {
		return huma.Operation{Method: method, Path: path, OperationID: id, Summary: summary, Tags: []string{"plan"}}
	}
	type scopeInput struct {
		Scope playlist.ID `query:"scope" maxLength:"128" required:"true" doc:"the ministry, a province, or a place below"`
	}
	add(s, op(http.MethodGet, "/preflight", "preflight", "What publishing would bring to each display: items, bytes, languages that are lacking"),
		func(ctx context.Context, by desk.Caller, in *scopeInput) (*struct{ Body desk.Preflight }, error) {
			if err := s.Desk.Works(ctx, by, in.Scope); err != nil {
				return nil, err
			}
			view, err := s.Plans.View(ctx, false)
			if err != nil {
				return nil, err
			}
			p, err := view.Preflight(in.Scope)
			return &struct{ Body desk.Preflight }{p}, err
		})
	type publishInput struct {
		Key  string `header:"Idempotency-Key" maxLength:"255"`
		Body struct {
			Scopes []playlist.ID `json:"scopes" minItems:"1" maxItems:"100" doc:"the ministry, provinces; those that name something of each other together"`
			Force  bool          `json:"force,omitempty" doc:"publish although a display may not keep all of it"`
		}
	}
	add(s, op(http.MethodPost, "/publications", "publish", "Make the next editions of scopes, all or none"),
		func(ctx context.Context, by desk.Caller, in *publishInput) (*struct{ Body []desk.Publication }, error) {
			p, err := s.Desk.Publish(ctx, by, in.Body.Scopes, in.Body.Force)
			if err == nil {
				// What is published is durable; its files are written now, and if
				// that fails, again and again by the keeper.
				if _, err := s.Desk.WriteEditions(context.WithoutCancel(ctx), s.Public); err != nil {
					s.Log.Error("Edition's files were not written", "error", err)
				}
			}
			return &struct{ Body []desk.Publication }{p}, err
		})
}

// Edition is a published edition as a list shows it.
type Edition struct {
	Scope  playlist.ID `json:"scope"`
	Number int64       `json:"number"`
	At     time.Time   `json:"at"`
	By     playlist.ID `json:"by"`
	Head   any         `json:"head"`
}

// records registers files, jobs, editions, imports and the audit.
func (s *Server) records() {
	op := func(method, path, id, tag, summary string) huma.Operation {
		return huma.Operation{Method: method, Path: path, OperationID: id, Summary: summary, Tags: []string{tag}}
	}
	add(s, op(http.MethodGet, "/publications", "list_publications", "plan", "The newest editions"),
		func(ctx context.Context, _ desk.Caller, in *struct {
			Scope playlist.ID `query:"scope" maxLength:"128"`
			Limit int         `query:"limit" minimum:"1" maximum:"200" default:"50"`
		}) (*struct{ Body []Edition }, error) {
			out := []Edition{}
			err := s.Desk.Store.Read(ctx, func(r central.Reader) error {
				rows, err := r.Editions(ctx, in.Scope, in.Limit)
				for _, e := range rows {
					out = append(out, Edition{e.Scope, e.Number, e.At, e.By, e.Head})
				}
				return err
			})
			return &struct{ Body []Edition }{out}, err
		})
	add(s, op(http.MethodGet, "/media/{id}", "get_media", "files", "What is known of a file, by its SHA-256"), func(ctx context.Context, by desk.Caller, in *oneInput) (*struct{ Body desk.File }, error) {
		f, err := s.Desk.FileFor(ctx, by, playlist.Hash(in.ID))
		return &struct{ Body desk.File }{f}, err
	})
	add(s, op(http.MethodGet, "/jobs", "list_jobs", "jobs", "Work beside the requests; state: queued, running, done, dead"), func(ctx context.Context, by desk.Caller, in *PageQuery) (*pageOutput[desk.Job], error) {
		return list[desk.Job](ctx, s, by, central.Jobs, in)
	})
	add(s, op(http.MethodPost, "/jobs/{id}/retry", "retry_job", "jobs", "Give a dead job another life"), func(ctx context.Context, by desk.Caller, in *oneInput) (*struct{ Body desk.Job }, error) {
		j, err := s.Desk.RetryJob(ctx, by, in.ID)
		return &struct{ Body desk.Job }{j}, err
	})
	add(s, op(http.MethodPost, "/imports", "import_feed", "imports", "Make drafts of an RSS, Atom or CAP document"),
		func(ctx context.Context, by desk.Caller, in *createInput[FeedImport]) (*struct{ Body ImportResult }, error) {
			by.Key = "" // each entry is known by its own id
			r, err := s.Taker.Feed(ctx, by, in.Body)
			return &struct{ Body ImportResult }{r}, err
		})
	type auditPage struct {
		Rows []json.RawMessage `json:"rows" doc:"as they are chained"`
		Next int64             `json:"next,omitempty"`
	}
	add(s, op(http.MethodGet, "/audit", "audit", "audit", "Who did what, at places where you may read it"),
		func(ctx context.Context, by desk.Caller, in *struct {
			After int64 `query:"after" minimum:"0"`
			Limit int   `query:"limit" minimum:"1" maximum:"1000" default:"100"`
		}) (*struct{ Body auditPage }, error) {
			rows, next, err := s.Desk.AuditPage(ctx, by, in.After, in.Limit)
			return &struct{ Body auditPage }{auditPage{rows, next}}, err
		})
}
