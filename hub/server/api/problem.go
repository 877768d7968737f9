package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"cotmoc/hub/server/blob"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/server/password"
	"cotmoc/playlist"
	"cotmoc/playlist/media"
)

// Problem is an RFC 9457 problem. Code is stable; Title says it to people in
// their language; Detail says what exactly, in English.
type Problem struct {
	Type   string              `json:"type" doc:"/problems/ and the code"`
	Title  string              `json:"title" doc:"in Vietnamese, or in English where Accept-Language asks for it"`
	Status int                 `json:"status"`
	Code   string              `json:"code" doc:"stable: look it up, do not read the detail by program"`
	Detail string              `json:"detail"`
	Errors []*huma.ErrorDetail `json:"errors,omitempty"`

	cause   error // for the log, never for people
	after   time.Duration
	headers http.Header
}

// GetHeaders implements huma.HeadersError: when to try again, and whatever huma adds.
func (p *Problem) GetHeaders() http.Header {
	if p.headers == nil {
		p.headers = http.Header{}
	}
	if p.after > 0 {
		p.headers.Set("Retry-After", strconv.Itoa(int((p.after+time.Second-1)/time.Second)))
	}
	return p.headers
}

func (p *Problem) Error() string  { return p.Detail }
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

func problem(status int, code, detail string) *Problem {
	p := &Problem{Type: "/problems/" + code, Status: status, Code: code, Detail: detail}
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		p.after = time.Second + rand.N(4*time.Second)
	}
	return p
}

// titles are the codes in words: Vietnamese, English.
var titles = map[string][2]string{
	"invalid":           {"Nội dung không hợp lệ", "Not valid"},
	"duplicate":         {"Trùng lặp", "Given twice"},
	"missing":           {"Tham chiếu đến thứ không tồn tại", "Refers to something that does not exist"},
	"cycle":             {"Chứa chính nó", "Contains itself"},
	"language":          {"Ngôn ngữ không hợp lệ", "Language not known"},
	"refused":           {"Không được phép trong trạng thái này", "Not allowed as things stand"},
	"forbidden":         {"Bạn không có quyền", "You have no right to this"},
	"sign-in":           {"Cần đăng nhập", "Sign in first"},
	"wrong-password":    {"Sai tên, mật khẩu hoặc mã", "Login, password or code is wrong"},
	"code-needed":       {"Cần mã bước hai", "The code of the second step is needed"},
	"first-password":    {"Mật khẩu này do người khác cấp: hãy đặt mật khẩu của riêng bạn", "This password was given to you: choose your own"},
	"slow-down":         {"Thử sai quá nhiều lần, hãy chờ", "Too many wrong attempts: wait"},
	"not-found":         {"Không tìm thấy", "Not found"},
	"changed":           {"Người khác vừa sửa", "Someone else changed it meanwhile"},
	"exists":            {"Đã tồn tại", "It exists already"},
	"if-match-needed":   {"Thiếu số sửa đổi (If-Match)", "Say which revision you change (If-Match)"},
	"key-reused":        {"Khóa lặp đã dùng cho yêu cầu khác", "This idempotency key was used for another request"},
	"too-large":         {"Quá lớn", "Too large"},
	"busy":              {"Máy chủ đang bận", "The hub is busy"},
	"no-room":           {"Hết chỗ lưu trữ", "There is no room left"},
	"locked":            {"Đang được tải lên nơi khác", "It is being uploaded elsewhere"},
	"wrong-offset":      {"Sai vị trí tải lên", "Wrong offset"},
	"wrong-checksum":    {"Sai mã kiểm tra", "Wrong checksum"},
	"unsupported":       {"Không hỗ trợ", "Not supported"},
	"method":            {"Phương thức không dùng được", "Method not allowed"},
	"unacceptable-file": {"Tệp không được nhận", "The file is not taken"},
	"internal":          {"Lỗi máy chủ", "The hub made a mistake"},
}

// Title says a code in Vietnamese, or in English.
func Title(code string, english bool) string {
	t, ok := titles[code]
	if !ok {
		t = titles["internal"]
	}
	if english {
		return t[1]
	}
	return t[0]
}

// English says whether a request would rather read English.
func English(acceptLanguage string) bool {
	for _, part := range strings.Split(acceptLanguage, ",") {
		tag, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		switch base, _, _ := strings.Cut(strings.ToLower(tag), "-"); base {
		case "vi":
			return false
		case "en":
			return true
		}
	}
	return false
}

// ErrFile is wrapped by the reason for which a file is not taken in.
var ErrFile = errors.New("the file is not taken")

// explainIn is explain with its title in the language of the request.
func explainIn(ctx context.Context, err error) error {
	err = explain(err)
	if p, ok := err.(*Problem); ok {
		in, _ := ctx.Value(callerKey{}).(signedIn)
		p.Title = Title(p.Code, in.english)
	}
	return err
}

// explain turns an error of the desk into a problem.
func explain(err error) error {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if slow, ok := errors.AsType[*desk.SlowError](err); ok {
		p := problem(http.StatusTooManyRequests, "slow-down", slow.Error())
		p.after = slow.Wait
		return p
	}
	if _, ok := err.(huma.StatusError); ok {
		return err
	}
	if r, ok := errors.AsType[*desk.Refusal](err); ok {
		return problem(http.StatusForbidden, "forbidden", r.Error())
	}
	// Not found and changed may come with a row that could not be written.
	for _, c := range []struct {
		is     error
		status int
		code   string
	}{
		{desk.ErrSession, http.StatusUnauthorized, "sign-in"},
		{desk.ErrSignIn, http.StatusUnauthorized, "wrong-password"},
		{desk.ErrCode, http.StatusUnauthorized, "code-needed"},
		{desk.ErrFirst, http.StatusUnauthorized, "first-password"},
		{desk.ErrSlow, http.StatusTooManyRequests, "slow-down"},
		{desk.ErrKeyReused, http.StatusUnprocessableEntity, "key-reused"},
		{central.ErrNotFound, http.StatusNotFound, "not-found"},
		{blob.ErrNotFound, http.StatusNotFound, "not-found"},
		{central.ErrChanged, http.StatusPreconditionFailed, "changed"},
		{central.ErrExists, http.StatusConflict, "exists"},
		{password.ErrBusy, http.StatusServiceUnavailable, "busy"},
		{media.ErrNoRoom, http.StatusInsufficientStorage, "no-room"},
		{central.ErrNoRoom, http.StatusInsufficientStorage, "no-room"},
		{syscall.ENOSPC, http.StatusInsufficientStorage, "no-room"},
		{ErrFile, http.StatusUnprocessableEntity, "unacceptable-file"},
	} {
		if errors.Is(err, c.is) {
			return problem(c.status, c.code, err.Error())
		}
	}
	if e, ok := errors.AsType[*playlist.Error](err); ok {
		status := http.StatusUnprocessableEntity
		if e.Code == playlist.CodeRefused {
			status = http.StatusConflict
		}
		return problem(status, string(e.Code), err.Error())
	}
	p := problem(http.StatusInternalServerError, "internal", "the hub could not do this; its log says why")
	p.cause = err
	return p
}

func init() {
	// huma's own complaints (a body that is no JSON, a parameter out of range)
	// become the same kind of problem.
	huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
		p := fromHuma(status, msg, errs...)
		if ctx != nil {
			p.Title = Title(p.Code, English(ctx.Header("Accept-Language")))
		}
		return p
	}
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError { return fromHuma(status, msg, errs...) }
}

func fromHuma(status int, msg string, errs ...error) *Problem {
	code := map[int]string{http.StatusNotFound: "not-found", http.StatusRequestEntityTooLarge: "too-large", http.StatusUnsupportedMediaType: "unsupported",
		http.StatusInternalServerError: "internal", http.StatusRequestTimeout: "busy"}[status]
	if code == "" {
		code = "invalid"
	}
	p := problem(status, code, msg)
	p.Title = Title(code, true)
	for _, err := range errs {
		if d, ok := err.(huma.ErrorDetailer); ok {
			p.Errors = append(p.Errors, d.ErrorDetail())
		} else if err != nil {
			p.Errors = append(p.Errors, &huma.ErrorDetail{Message: err.Error()})
		}
	}
	return p
}

// problem writes an error outside of huma.
func (s *Server) problem(w http.ResponseWriter, r *http.Request, err error) {
	p, ok := errors.AsType[*Problem](explain(err))
	if !ok {
		p = problem(http.StatusInternalServerError, "internal", "")
	}
	if p.Status >= 500 && p.cause != nil {
		s.Log.Error("Request failed", "path", r.URL.Path, "error", p.cause)
	}
	p.Title = Title(p.Code, English(r.Header.Get("Accept-Language")))
	raw, err := json.Marshal(p)
	if err != nil {
		raw = []byte("{}")
	}
	w.Header().Set("Content-Type", "application/problem+json")
	maps.Copy(w.Header(), p.GetHeaders())
	w.WriteHeader(p.Status)
	_, _ = w.Write(raw)
}

func indent(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", " "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// Classify returns the code and HTTP status of an error, and the headers that go with it,
// for the pages.
func Classify(err error) (code string, status int, headers http.Header) {
	if p, ok := errors.AsType[*Problem](explain(err)); ok {
		return p.Code, p.Status, p.GetHeaders()
	}
	return "internal", http.StatusInternalServerError, nil
}
