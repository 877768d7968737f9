package playlist

import "time"

// ItemKind says what an item is.
type ItemKind string

// The kinds of item.
const (
	Bulletin ItemKind = "bulletin"
	Video    ItemKind = "video"
	Sounding ItemKind = "audio"
	Picture  ItemKind = "picture"
	Document ItemKind = "document"
	Fact     ItemKind = "gate fact" // shown as a gate card
	Course   ItemKind = "course"
)

// Audience says who may see an item.
type Audience string

// The audiences.
const (
	Public Audience = "public"
	Staff  Audience = "staff"
)

// Item is one piece of content; its words and files are in its versions.
type Item struct {
	ID         ID         `json:"id"`
	Owner      ID         `json:"owner,omitempty"`
	Kind       ItemKind   `json:"kind"`
	Audience   Audience   `json:"audience,omitempty"`
	Class      string     `json:"class,omitempty"` // decides who reviews it
	Shelf      string     `json:"shelf,omitempty"`
	Tags       []string   `json:"tags,omitempty"`
	Source     string     `json:"source,omitempty"`
	Licence    string     `json:"licence,omitempty"`
	ValidFrom  *time.Time `json:"valid_from,omitempty"`
	ValidUntil *time.Time `json:"valid_until,omitempty"`
	PublicURL  string     `json:"public_url,omitempty"`
	ExternalID string     `json:"external_id,omitempty"`
	Gate       ID         `json:"gate,omitempty"` // the place that a gate card shows; empty: the display's own
}

// ValidAt says whether t lies in the item's half-open validity.
func (i Item) ValidAt(t time.Time) bool {
	return (i.ValidFrom == nil || !t.Before(*i.ValidFrom)) && (i.ValidUntil == nil || t.Before(*i.ValidUntil))
}

// Dated says whether the item's validity is limited, which needs a trusted clock.
func (i Item) Dated() bool { return i.ValidFrom != nil || i.ValidUntil != nil }

// NewItem checks i.
func NewItem(i Item) (Item, error) {
	where := "item " + string(i.ID)
	if err := i.ID.Check(where); err != nil {
		return Item{}, err
	}
	switch i.Kind {
	case Bulletin, Video, Sounding, Picture, Document, Fact, Course:
	default:
		return Item{}, invalid(where, "kind %.20q is not known", i.Kind)
	}
	switch i.Audience {
	case "":
		i.Audience = Public
	case Public, Staff:
	default:
		return Item{}, invalid(where, "audience %.20q is not public or staff", i.Audience)
	}
	if i.ValidFrom != nil && i.ValidUntil != nil && !i.ValidFrom.Before(*i.ValidUntil) {
		return Item{}, invalid(where, "valid_from is not before valid_until")
	}
	for _, s := range append([]string{i.Class, i.Shelf, i.Source, i.Licence, i.PublicURL, i.ExternalID}, i.Tags...) {
		if err := checkText(where, s, MaxTitleLen); err != nil {
			return Item{}, err
		}
	}
	return i, nil
}

// Form says how a version is perceived.
type Form string

// The forms of a version.
const (
	FormText  Form = "text"
	FormAudio Form = "audio"
	FormVideo Form = "video"
	FormSign  Form = "sign" // sign language
)

// State is where a version stands in its workflow.
type State string

// The states of a version.
const (
	Draft      State = "draft"
	InReview   State = "in review"
	Approved   State = "approved"
	Published  State = "published"
	Superseded State = "superseded"
	Withdrawn  State = "withdrawn"
	Expired    State = "expired"
)

// Track is a caption or sound file in one language.
type Track struct {
	Language Language `json:"language"`
	Media    Hash     `json:"media"`
}

// Version is an item's content in one language. Display is Text with line
// break marks (U+200B, U+2060); an empty Display means Text as it is.
type Version struct {
	ID                ID       `json:"id,omitempty"` // default: item:language
	Item              ID       `json:"item"`
	Language          Language `json:"language"`
	Form              Form     `json:"form,omitempty"`
	Title             string   `json:"title,omitempty"`
	Summary           string   `json:"summary,omitempty"`
	Text              string   `json:"text,omitempty"`
	Display           string   `json:"display,omitempty"`
	DisplayBy         string   `json:"display_by,omitempty"` // what found its line breaks: "ICU 72.1"
	Media             []Hash   `json:"media,omitempty"`
	Captions          []Track  `json:"captions,omitempty"`
	Sounds            []Track  `json:"sound_tracks,omitempty"`
	BaseVersion       ID       `json:"base_version,omitempty"`
	MaterialChange    bool     `json:"material_change,omitempty"`
	MachineTranslated bool     `json:"machine_translated,omitempty"`
	State             State    `json:"state,omitempty"`
}

// Files lists every file that the version needs.
func (v Version) Files() []Hash {
	files := append([]Hash(nil), v.Media...)
	for _, t := range v.Captions {
		files = append(files, t.Media)
	}
	for _, t := range v.Sounds {
		files = append(files, t.Media)
	}
	return files
}

// NewVersion checks v.
func NewVersion(v Version) (Version, error) {
	if v.ID == "" {
		v.ID = v.Item + ":" + ID(v.Language)
	}
	where := "version " + string(v.ID)
	if err := v.ID.Check(where); err != nil {
		return Version{}, err
	}
	if v.Language == "" {
		return Version{}, &Error{Code: CodeLanguage, Where: where, Detail: "it has no language (zxx means wordless)"}
	}
	switch v.Form {
	case "":
		v.Form = FormText
	case FormText, FormAudio, FormVideo, FormSign:
	default:
		return Version{}, invalid(where, "form %.20q is not text, audio, video or sign", v.Form)
	}
	switch v.State {
	case "":
		v.State = Published
	case Draft, InReview, Approved, Published, Superseded, Withdrawn, Expired:
	default:
		return Version{}, invalid(where, "state %.20q is not known", v.State)
	}
	for _, t := range []struct {
		text  string
		limit int
	}{{v.Title, MaxTitleLen}, {v.Summary, 10 * MaxTitleLen}, {v.Text, MaxTextLen}, {v.Display, MaxTextLen}} {
		if err := checkText(where, t.text, t.limit); err != nil {
			return Version{}, err
		}
	}
	if err := checkText(where, v.DisplayBy, 100); err != nil {
		return Version{}, err
	}
	if len(v.Files()) > 100 {
		return Version{}, invalid(where, "more than 100 files")
	}
	for _, h := range v.Files() {
		if err := h.Check(where); err != nil {
			return Version{}, err
		}
	}
	return v, nil
}

// Media is a file of the content, known by its hash.
type Media struct {
	SHA256 Hash   `json:"sha256"`
	Path   string `json:"path,omitempty"` // inside a content folder
	Type   string `json:"type"`           // MIME type, such as video/mp4
	Bytes  int64  `json:"bytes"`
}

// NewMedia checks m.
func NewMedia(m Media) (Media, error) {
	where := "media " + clip(string(m.SHA256), 12)
	if err := m.SHA256.Check(where); err != nil {
		return Media{}, err
	}
	if m.Bytes < 0 || m.Bytes > 64<<30 {
		return Media{}, invalid(where, "%d bytes is not between 0 and 64 GiB", m.Bytes)
	}
	if len(m.Type) > 100 || checkText(where, m.Type, 100) != nil {
		return Media{}, invalid(where, "the MIME type is malformed")
	}
	return m, nil
}
