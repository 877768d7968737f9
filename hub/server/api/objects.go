package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/server/workflow"
	"cotmoc/playlist"
)

// Raw is a row that goes out as it was kept; to OpenAPI it is a T.
type Raw[T any] struct{ json.RawMessage }

// Schema implements huma.SchemaProvider.
func (Raw[T]) Schema(r huma.Registry) *huma.Schema { return r.Schema(reflect.TypeFor[T](), true, "") }

// Record is a row with what the hub knows of it.
type Record[T any] struct {
	ID      playlist.ID `json:"id"`
	Rev     int64       `json:"rev" doc:"revision; its ETag is this number in quotes"`
	Owner   playlist.ID `json:"owner"`
	State   string      `json:"state,omitempty" doc:"of its review, where it has one"`
	At      time.Time   `json:"at"`
	By      playlist.ID `json:"by"`
	Deleted bool        `json:"deleted,omitempty" doc:"in a history only"`
	Row     Raw[T]      `json:"row"`
}

func record[T any](d central.Doc) Record[T] {
	return Record[T]{d.ID, d.Rev, d.Owner, d.State, d.At, d.By, d.Deleted, Raw[T]{d.Body}}
}

func etag(rev int64) string { return `"` + strconv.FormatInt(rev, 10) + `"` }

// revision reads If-Match. Every change must say which revision it changes.
func revision(header string) (int64, error) {
	text := strings.TrimSpace(header)
	if text == "" {
		return 0, problem(http.StatusPreconditionRequired, "if-match-needed", "a change names the revision that it changes in If-Match, as its ETag said")
	}
	rev, err := strconv.ParseInt(strings.Trim(strings.TrimPrefix(text, "W/"), `"`), 10, 64)
	if err != nil || rev < 1 {
		return 0, problem(http.StatusPreconditionFailed, "changed", "If-Match does not name a revision of this")
	}
	return rev, nil
}

// notModified says whether the caller has this already.
func notModified(ifNoneMatch, tag string) bool {
	for _, part := range strings.Split(ifNoneMatch, ",") {
		if part = strings.TrimSpace(part); part != "" && (part == "*" || strings.TrimPrefix(part, "W/") == tag) {
			return true
		}
	}
	return false
}

// unchanged is the answer to whoever has it already.
func unchanged(tag string) error {
	return huma.ErrorWithHeaders(huma.Status304NotModified(), http.Header{"Etag": {tag}})
}

// PageQuery asks for a page of a list.
type PageQuery struct {
	IfNoneMatch string      `header:"If-None-Match"`
	Limit       int         `query:"limit" minimum:"1" maximum:"200" default:"50"`
	After       playlist.ID `query:"after" maxLength:"300" doc:"cursor: next of the page before"`
	Under       playlist.ID `query:"under" maxLength:"128" doc:"only what this place and those below it own"`
	State       string      `query:"state" maxLength:"40"`
	Item        playlist.ID `query:"item" maxLength:"128"`
}

// Page is a page of a list.
type Page[T any] struct {
	Rows []Record[T] `json:"rows"`
	Next playlist.ID `json:"next,omitempty" doc:"cursor of the next page; missing at the end"`
}

type pageOutput[T any] struct {
	ETag string `header:"ETag"`
	Body Page[T]
}

type oneInput struct {
	ID          playlist.ID `path:"id" maxLength:"128"`
	IfNoneMatch string      `header:"If-None-Match"`
}

type oneOutput[T any] struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     Record[T]
}

type createInput[T any] struct {
	Key     string `header:"Idempotency-Key" maxLength:"255"`
	Body    T
	RawBody []byte
}

type changeInput[T any] struct {
	ID      playlist.ID `path:"id" maxLength:"128"`
	IfMatch string      `header:"If-Match"`
	Body    T
	RawBody []byte
}

// ByRevision names a row and the revision that is meant.
type ByRevision struct {
	ID      playlist.ID `path:"id" maxLength:"128"`
	IfMatch string      `header:"If-Match"`
}

func (s *Server) objects() {
	object[playlist.Place](s, central.Places, "places", "place")
	object[playlist.Display](s, central.Displays, "displays", "display")
	object[playlist.Layout](s, central.Layouts, "layouts", "layout")
	object[playlist.Item](s, central.Items, "items", "item")
	object[playlist.GateFact](s, central.Facts, "gate-facts", "gate fact")
	object[playlist.Playlist](s, central.Playlists, "playlists", "playlist")
	object[playlist.Schedule](s, central.Schedules, "schedules", "schedule")
	object[desk.Calendar](s, central.Calendars, "calendars", "calendar")
	object[playlist.Mandatory](s, central.Mandatory, "mandatory", "mandatory item")
	object[playlist.Notice](s, central.Notices, "notices", "notice")
	object[workflow.Class](s, central.Classes, "classes", "class of content")
}

// object registers the operations on one kind.
func object[T any](s *Server, kind central.Kind, path, word string) {
	name := strings.ReplaceAll(path, "-", "_")
	base := huma.Operation{Tags: []string{path}}
	op := func(method, suffix, verb, summary string) huma.Operation {
		o := base
		o.Method, o.Path, o.OperationID, o.Summary = method, "/"+path+suffix, verb+"_"+name, summary
		return o
	}
	add(s, op(http.MethodGet, "", "list", "List: "+word), func(ctx context.Context, by desk.Caller, in *PageQuery) (*pageOutput[T], error) {
		return list[T](ctx, s, by, kind, in)
	})
	create := op(http.MethodPost, "", "create", "Create a "+word+"; without an id it gets one")
	create.DefaultStatus = http.StatusCreated
	add(s, create, func(ctx context.Context, by desk.Caller, in *createInput[T]) (*oneOutput[T], error) {
		raw, err := withID(in.RawBody)
		if err != nil {
			return nil, err
		}
		doc, err := s.Desk.Put(ctx, by, kind, "", 0, raw)
		return &oneOutput[T]{etag(doc.Rev), fmt.Sprintf("%s/%s/%s", Prefix, path, doc.ID), record[T](doc)}, err
	})
	add(s, op(http.MethodGet, "/{id}", "get", "Read a "+word), func(ctx context.Context, by desk.Caller, in *oneInput) (*oneOutput[T], error) {
		doc, err := s.Desk.Row(ctx, by, kind, in.ID)
		if err == nil && notModified(in.IfNoneMatch, etag(doc.Rev)) {
			return nil, unchanged(etag(doc.Rev))
		}
		return &oneOutput[T]{ETag: etag(doc.Rev), Body: record[T](doc)}, err
	})
	add(s, op(http.MethodPut, "/{id}", "put", "Change a "+word), func(ctx context.Context, by desk.Caller, in *changeInput[T]) (*oneOutput[T], error) {
		rev, err := revision(in.IfMatch)
		if err != nil {
			return nil, err
		}
		doc, err := s.Desk.Put(ctx, by, kind, in.ID, rev, in.RawBody)
		return &oneOutput[T]{ETag: etag(doc.Rev), Body: record[T](doc)}, err
	})
	add(s, op(http.MethodDelete, "/{id}", "delete", "Delete a "+word+"; one that rows refer to only after asking"), func(ctx context.Context, by desk.Caller, in *deleteInput) (*struct{}, error) {
		rev, err := revision(in.IfMatch)
		if err != nil {
			return nil, err
		}
		if in.Confirm {
			return nil, s.Desk.DeleteUsed(ctx, by, kind, in.ID, rev)
		}
		return nil, s.Desk.Delete(ctx, by, kind, in.ID, rev)
	})
	add(s, op(http.MethodGet, "/{id}/history", "history", "All revisions of a "+word), func(ctx context.Context, by desk.Caller, in *oneInput) (*struct{ Body []Record[T] }, error) {
		docs, err := s.Desk.Revisions(ctx, by, kind, in.ID)
		out := make([]Record[T], 0, len(docs))
		for _, d := range docs {
			out = append(out, record[T](d))
		}
		return &struct{ Body []Record[T] }{out}, err
	})
}

type deleteInput struct {
	ByRevision
	Confirm bool `query:"confirm" doc:"delete it though rows refer to it: their offices are told, and the rows do not count until they are mended"`
}

// list answers with a page, or with 304 where nothing of the kind has changed.
func list[T any](ctx context.Context, s *Server, by desk.Caller, kind central.Kind, in *PageQuery) (*pageOutput[T], error) {
	if in.IfNoneMatch != "" {
		seq, err := s.Desk.Seq(ctx, kind)
		if err != nil {
			return nil, err
		}
		if tag := etag(seq); notModified(in.IfNoneMatch, tag) && in.Under == "" {
			return nil, unchanged(tag)
		}
	}
	q := central.Query{Kind: kind, After: in.After, Limit: in.Limit, Parent: in.Item}
	if in.State != "" {
		q.States = []string{in.State}
	}
	page, err := s.Desk.Rows(ctx, by, q, in.Under)
	if err != nil {
		return nil, err
	}
	out := &pageOutput[T]{ETag: etag(page.Seq), Body: Page[T]{Rows: make([]Record[T], 0, len(page.Docs)), Next: page.Next}}
	for _, d := range page.Docs {
		out.Body.Rows = append(out.Body.Rows, record[T](d))
	}
	return out, nil
}

// withID gives a row an id where it has none.
func withID(raw []byte) ([]byte, error) {
	var row map[string]json.RawMessage
	if err := json.Unmarshal(raw, &row); err != nil {
		return nil, problem(http.StatusUnprocessableEntity, "invalid", "the body is no JSON object")
	}
	if id, ok := row["id"]; ok && string(id) != `""` {
		return raw, nil
	}
	id, err := json.Marshal(desk.NewID())
	if err != nil {
		return nil, err
	}
	row["id"] = id
	return json.Marshal(row)
}
