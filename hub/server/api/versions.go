package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/server/workflow"
	"cotmoc/playlist"
)

type verdictOutput struct {
	ETag string `header:"ETag"`
	Body desk.Verdict
}

func verdict(v desk.Verdict, err error) (*verdictOutput, error) {
	return &verdictOutput{etag(v.Rev), v}, err
}

type versionOutput = oneOutput[desk.Version]

func oneVersion(d central.Doc, err error) (*versionOutput, error) {
	return &versionOutput{etag(d.Rev), Prefix + "/versions/" + string(d.ID), record[desk.Version](d)}, err
}

// changing wraps an act on one revision of a version.
func changing[I any, O any](s *Server, op huma.Operation, header func(*I) string, f func(context.Context, desk.Caller, *I, int64) (*O, error)) {
	op.Tags = []string{"versions"}
	add(s, op, func(ctx context.Context, by desk.Caller, in *I) (*O, error) {
		rev, err := revision(header(in))
		if err != nil {
			return nil, err
		}
		return f(ctx, by, in, rev)
	})
}

type rejectInput struct {
	ByRevision
	Body struct {
		Reason workflow.Reason `json:"reason" doc:"wrong fact, wrong wording, wrong picture or map, licence, technical quality, translation, not for the public"`
		Note   string          `json:"note" maxLength:"4000"`
	}
}

type withdrawInput struct {
	ByRevision
	Body struct {
		Why string `json:"why" maxLength:"4000"`
	}
}

func (s *Server) versions() {
	s.writing()
	s.reviewing()
	s.looking()
}

func (s *Server) writing() {
	byID := func(in *ByRevision) string { return in.IfMatch }
	add(s, huma.Operation{Method: http.MethodPost, Path: "/versions", OperationID: "create_version", Tags: []string{"versions"}, DefaultStatus: http.StatusCreated,
		Summary: "Create a draft of an item in a language; with base_version it is a translation"},
		func(ctx context.Context, by desk.Caller, in *createInput[playlist.Version]) (*versionOutput, error) {
			return oneVersion(s.Desk.CreateVersion(ctx, by, in.Body))
		})
	changing(s, huma.Operation{Method: http.MethodPut, Path: "/versions/{id}", OperationID: "edit_version",
		Summary: "Change a draft; of a version that was submitted, make a new draft whose review begins anew"},
		func(in *changeInput[playlist.Version]) string { return in.IfMatch },
		func(ctx context.Context, by desk.Caller, in *changeInput[playlist.Version], rev int64) (*versionOutput, error) {
			return oneVersion(s.Desk.EditVersion(ctx, by, in.ID, rev, in.Body))
		})
	changing(s, huma.Operation{Method: http.MethodDelete, Path: "/versions/{id}", OperationID: "delete_version", Summary: "Delete a draft"}, byID,
		func(ctx context.Context, by desk.Caller, in *ByRevision, rev int64) (*struct{}, error) {
			return nil, s.Desk.DeleteVersion(ctx, by, in.ID, rev)
		})
	changing(s, huma.Operation{Method: http.MethodPost, Path: "/versions/{id}/submit", OperationID: "submit_version",
		Summary: "Hand a draft to its reviewers; what it says is fixed from here on"}, byID,
		func(ctx context.Context, by desk.Caller, in *ByRevision, rev int64) (*versionOutput, error) {
			return oneVersion(s.Desk.Submit(ctx, by, in.ID, rev))
		})
	changing(s, huma.Operation{Method: http.MethodPost, Path: "/versions/{id}/withdraw", OperationID: "withdraw_version",
		Summary: "Take a version back: it leaves the screens with the next edition"},
		func(in *withdrawInput) string { return in.IfMatch },
		func(ctx context.Context, by desk.Caller, in *withdrawInput, rev int64) (*versionOutput, error) {
			return oneVersion(s.Desk.Withdraw(ctx, by, in.ID, rev, in.Body.Why))
		})
}

func (s *Server) reviewing() {
	byID := func(in *ByRevision) string { return in.IfMatch }
	changing(s, huma.Operation{Method: http.MethodPost, Path: "/versions/{id}/approve", OperationID: "approve_version",
		Summary: "Give one approval; an author of the version never may"}, byID,
		func(ctx context.Context, by desk.Caller, in *ByRevision, rev int64) (*verdictOutput, error) {
			return verdict(s.Desk.Approve(ctx, by, in.ID, rev))
		})
	changing(s, huma.Operation{Method: http.MethodPost, Path: "/versions/{id}/reject", OperationID: "reject_version",
		Summary: "Send a version back with a reason and a note; its author gets a new draft"},
		func(in *rejectInput) string { return in.IfMatch },
		func(ctx context.Context, by desk.Caller, in *rejectInput, rev int64) (*verdictOutput, error) {
			return verdict(s.Desk.Reject(ctx, by, in.ID, rev, in.Body.Reason, in.Body.Note))
		})
	for path, kind := range map[string]central.Kind{"items": central.Items, "gate-facts": central.Facts, "notices": central.Notices} {
		changing(s, huma.Operation{Method: http.MethodPost, Path: "/" + path + "/{id}/approve", OperationID: "approve_" + string(kind),
			Summary: "Approve a change of this row; until then the screens show what was approved before. A notice has gone out already"}, byID,
			func(ctx context.Context, by desk.Caller, in *ByRevision, rev int64) (*verdictOutput, error) {
				return verdict(s.Desk.ApproveObject(ctx, by, kind, in.ID, rev))
			})
		changing(s, huma.Operation{Method: http.MethodPost, Path: "/" + path + "/{id}/reject", OperationID: "reject_" + string(kind),
			Summary: "Send a change of this row back with a reason and a note"},
			func(in *rejectInput) string { return in.IfMatch },
			func(ctx context.Context, by desk.Caller, in *rejectInput, rev int64) (*verdictOutput, error) {
				return verdict(s.Desk.RejectObject(ctx, by, kind, in.ID, rev, in.Body.Reason, in.Body.Note))
			})
	}
	add(s, huma.Operation{Method: http.MethodGet, Path: "/review-queue", OperationID: "review_queue", Tags: []string{"versions"}, Summary: "What waits for a review where you may review"},
		func(ctx context.Context, by desk.Caller, _ *struct{}) (*struct{ Body []desk.Waiting }, error) {
			rows, err := s.Desk.Queue(ctx, by)
			return &struct{ Body []desk.Waiting }{rows}, err
		})
}

func (s *Server) looking() {
	get := func(path, id, summary string) huma.Operation {
		return huma.Operation{Method: http.MethodGet, Path: path, OperationID: id, Summary: summary, Tags: []string{"versions"}}
	}
	add(s, get("/versions/{id}", "get_version", "Read a version"), func(ctx context.Context, by desk.Caller, in *oneInput) (*versionOutput, error) {
		doc, _, err := s.Desk.Version(ctx, by, in.ID)
		if err == nil && notModified(in.IfNoneMatch, etag(doc.Rev)) {
			return nil, unchanged(etag(doc.Rev))
		}
		return oneVersion(doc, err)
	})
	add(s, get("/items/{id}/versions", "item_versions", "Versions of an item, the oldest first"),
		func(ctx context.Context, by desk.Caller, in *oneInput) (*struct{ Body []Record[desk.Version] }, error) {
			docs, err := s.Desk.Versions(ctx, by, in.ID)
			out := []Record[desk.Version]{}
			for _, d := range docs {
				out = append(out, record[desk.Version](d))
			}
			return &struct{ Body []Record[desk.Version] }{out}, err
		})
	add(s, get("/versions/{id}/diff", "diff_version", "What differs from what the screens show"), func(ctx context.Context, by desk.Caller, in *oneInput) (*struct{ Body desk.Comparison }, error) {
		c, err := s.Desk.Diff(ctx, by, in.ID)
		return &struct{ Body desk.Comparison }{c}, err
	})
	add(s, get("/versions/{id}/remarks", "version_remarks", "Reviews and comments"), func(ctx context.Context, by desk.Caller, in *oneInput) (*struct{ Body desk.Remarks }, error) {
		c, err := s.Desk.Remarks(ctx, by, in.ID)
		return &struct{ Body desk.Remarks }{c}, err
	})
	type commentInput struct {
		ID   playlist.ID `path:"id" maxLength:"128"`
		Key  string      `header:"Idempotency-Key" maxLength:"255"`
		Body struct {
			Text string `json:"text" maxLength:"10000"`
		}
	}
	add(s, huma.Operation{Method: http.MethodPost, Path: "/versions/{id}/comments", OperationID: "comment_version", Summary: "Add a remark", Tags: []string{"versions"}, DefaultStatus: http.StatusCreated},
		func(ctx context.Context, by desk.Caller, in *commentInput) (*struct{ Body desk.Comment }, error) {
			c, err := s.Desk.AddComment(ctx, by, in.ID, in.Body.Text)
			return &struct{ Body desk.Comment }{c}, err
		})
	type matrixInput struct {
		Limit int         `query:"limit" minimum:"1" maximum:"200" default:"50"`
		After playlist.ID `query:"after" maxLength:"128"`
		Under playlist.ID `query:"under" maxLength:"128"`
	}
	type matrix struct {
		Rows []desk.Translation `json:"rows"`
		Next playlist.ID        `json:"next,omitempty"`
	}
	add(s, get("/translations", "translations", "Items by languages: missing, draft, in review, approved, published, outdated"),
		func(ctx context.Context, by desk.Caller, in *matrixInput) (*struct{ Body matrix }, error) {
			rows, next, err := s.Desk.Translations(ctx, by, in.Under, in.After, in.Limit)
			return &struct{ Body matrix }{matrix{rows, next}}, err
		})
}
