package text

import (
	"html"
	"strconv"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	gmtext "github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"

	"cotmoc/internal/typeset"
)

// maxNesting bounds lists in lists and quotes in quotes.
const maxNesting = 8

// NewDocument sets a body in Markdown (CommonMark): headings, paragraphs with
// bold parts, lists, quotes, rules, code as plain lines. A link shows as its
// words and leads nowhere: nothing on a kiosk opens anything outside. HTML and
// pictures are left out; an item's pictures are its media.
func NewDocument(lang, markdown string) fyne.CanvasObject {
	source := []byte(markdown)
	w := &writer{lang: lang, source: source}
	return NewColumn(w.blocks(goldmark.DefaultParser().Parse(gmtext.NewReader(source)), 0)...)
}

type writer struct {
	lang   string
	source []byte
}

// blocks sets the children of a container.
func (w *writer) blocks(parent ast.Node, depth int) []fyne.CanvasObject {
	var out []fyne.CanvasObject
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		out = append(out, w.block(n, depth)...)
	}
	return out
}

func (w *writer) block(n ast.Node, depth int) []fyne.CanvasObject {
	switch n := n.(type) {
	case *ast.Heading:
		b := w.paragraph(n)
		b.Bold, b.Balance = true, true
		b.TextSize = theme.SizeNameSubHeadingText
		if n.Level == 1 {
			b.TextSize = theme.SizeNameHeadingText
		}
		return []fyne.CanvasObject{b}
	case *ast.Paragraph, *ast.TextBlock:
		return []fyne.CanvasObject{w.paragraph(n)}
	case *ast.List:
		return w.list(n, depth)
	case *ast.Blockquote:
		if depth < maxNesting {
			bar := canvas.NewRectangle(theme.Color(theme.ColorNamePrimary))
			bar.SetMinSize(fyne.NewSize(4, 0))
			return []fyne.CanvasObject{container.NewBorder(nil, nil, bar, nil, NewColumn(w.blocks(n, depth+1)...))}
		}
	case *ast.ThematicBreak:
		rule := canvas.NewRectangle(theme.Color(theme.ColorNamePlaceHolder))
		rule.SetMinSize(fyne.NewSize(0, 2))
		return []fyne.CanvasObject{rule}
	case *ast.CodeBlock, *ast.FencedCodeBlock:
		var lines strings.Builder
		for i := range n.Lines().Len() {
			segment := n.Lines().At(i)
			lines.Write(segment.Value(w.source))
		}
		return []fyne.CanvasObject{New(w.lang, strings.TrimRight(lines.String(), "\n"))}
	}
	return nil
}

// list sets each item behind its sign: a bullet or its number.
func (w *writer) list(n *ast.List, depth int) []fyne.CanvasObject {
	if depth >= maxNesting {
		return nil
	}
	var out []fyne.CanvasObject
	number := n.Start
	for item := n.FirstChild(); item != nil; item = item.NextSibling() {
		sign := "•"
		if n.IsOrdered() {
			sign = strconv.Itoa(number) + "."
			number++
		}
		mark := NewLabel(w.lang, sign)
		mark.Colour = theme.ColorNamePrimary
		head := container.NewVBox(mark) // at the top of its item
		out = append(out, container.NewBorder(nil, nil, head, nil, NewColumn(w.blocks(item, depth+1)...)))
	}
	return out
}

// paragraph gathers the inline parts of n.
func (w *writer) paragraph(n ast.Node) *Block {
	b := New(w.lang, "")
	b.Spans = nil
	w.inline(n, false, &b.Spans)
	return b
}

func (w *writer) inline(parent ast.Node, bold bool, out *[]typeset.Span) {
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		switch n := n.(type) {
		case *ast.Text:
			words := string(n.Segment.Value(w.source))
			if _, code := parent.(*ast.CodeSpan); !code && !n.IsRaw() {
				words = unescape(words)
			}
			switch {
			case n.HardLineBreak():
				words += "\n"
			case n.SoftLineBreak():
				words += w.space(words)
			}
			*out = append(*out, typeset.Span{Text: words, Bold: bold})
		case *ast.String:
			*out = append(*out, typeset.Span{Text: string(n.Value), Bold: bold})
		case *ast.AutoLink:
			*out = append(*out, typeset.Span{Text: string(n.Label(w.source)), Bold: bold})
		case *ast.Image, *ast.RawHTML:
		case *ast.Emphasis: // scripts of the border have no italics: both kinds are bold
			w.inline(n, true, out)
		default:
			w.inline(n, bold, out)
		}
	}
}

// unescape resolves backslashes before punctuation, and entities such as &amp;,
// in one pass, so that an escaped & stays one.
func unescape(s string) string {
	if !strings.ContainsAny(s, `\\&`) {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); {
		switch {
		case s[i] == '\\' && i+1 < len(s) && util.IsPunct(s[i+1]):
			out.WriteByte(s[i+1])
			i += 2
			continue
		case s[i] == '&':
			if end := strings.IndexByte(s[i:min(len(s), i+40)], ';'); end > 0 {
				out.WriteString(html.UnescapeString(s[i : i+end+1]))
				i += end + 1
				continue
			}
		}
		out.WriteByte(s[i])
		i++
	}
	return out.String()
}

// space is what the end of a source line stands for: nothing between Chinese
// characters, else a space.
func (w *writer) space(words string) string {
	if strings.HasPrefix(w.lang, "zh") && len(words) >= 3 && words[len(words)-3] >= 0xE3 {
		return ""
	}
	return " "
}
