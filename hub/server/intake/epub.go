package intake

import (
	"archive/zip"
	"encoding/xml"
	"io"
	"net/url"
	"path"
	"strings"

	"github.com/JohannesKaufmann/html-to-markdown/v2/converter"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/base"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/commonmark"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"cotmoc/hub/server/desk"
)

// Limits of a book. Its text is what is kept; a ZIP archive can promise more bytes than
// there are disks, so what is read of it is bounded piece by piece.
const (
	maxEPUB     = 100 << 20 // bytes of the archive
	maxParts    = 10_000    // of the archive
	maxChapter  = 8 << 20   // bytes of one document
	maxAllRead  = 32 << 20  // bytes of all documents
	maxBookText = 1 << 20   // bytes of Markdown
	maxDepth    = 200       // of a document's tree
	maxSpine    = 2_000     // documents
)

// lookBook reads a book's words: an EPUB's documents, in their order, as Markdown. The
// screens get the text, set by the engine that sets every text, and never the archive.
func lookBook(r io.ReaderAt, f *desk.File) error {
	if f.Bytes > maxEPUB {
		return refuse("the book has %d MB, more than %d", f.Bytes>>20, maxEPUB>>20)
	}
	archive, err := zip.NewReader(r, f.Bytes)
	if err != nil {
		return refuse("the book's archive is damaged: %v", err)
	}
	if len(archive.File) > maxParts {
		return refuse("the book's archive has %d entries, more than %d", len(archive.File), maxParts)
	}
	b := &book{entries: map[string]*zip.File{}, left: maxAllRead}
	for _, e := range archive.File {
		b.entries[e.Name] = e
	}
	text, err := b.text()
	if err != nil {
		return err
	}
	f.Type, f.Text = desk.TypeEPUB, text
	return nil
}

// book is an opened archive.
type book struct {
	entries map[string]*zip.File
	left    int64 // bytes that may still be read
}

func (b *book) read(name string) ([]byte, error) {
	e := b.entries[name]
	if e == nil {
		return nil, refuse("the book lacks %q", name)
	}
	in, err := e.Open()
	if err != nil {
		return nil, refuse("the book's %q is damaged: %v", name, err)
	}
	defer in.Close()
	limit := min(maxChapter, b.left)
	raw, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil {
		return nil, refuse("the book's %q is damaged: %v", name, err)
	}
	if int64(len(raw)) > limit {
		return nil, refuse("the book is too large when unpacked: at most %d MiB are read, and %d of one document", maxAllRead>>20, maxChapter>>20)
	}
	b.left -= int64(len(raw))
	return raw, nil
}

// decode reads an XML entry.
func (b *book) decode(name string, to any) error {
	raw, err := b.read(name)
	if err != nil {
		return err
	}
	if err := xml.Unmarshal(raw, to); err != nil {
		return refuse("the book's %q cannot be read: %v", name, err)
	}
	return nil
}

// text is the book in Markdown.
func (b *book) text() (string, error) {
	names, err := b.spine()
	if err != nil {
		return "", err
	}
	locked, err := b.locked()
	if err != nil {
		return "", err
	}
	md := converter.NewConverter(converter.WithPlugins(base.NewBasePlugin(), commonmark.NewCommonmarkPlugin()))
	var out strings.Builder
	for _, name := range names {
		if locked[name] {
			return "", refuse("the book is locked (DRM): bring one that is not")
		}
		raw, err := b.read(name)
		if err != nil {
			return "", err
		}
		root, err := html.Parse(strings.NewReader(string(raw)))
		if err != nil {
			return "", refuse("the book's %q cannot be read: %v", name, err)
		}
		if err := words(root, 0); err != nil {
			return "", err
		}
		chapter, err := md.ConvertNode(root)
		if err != nil {
			return "", refuse("the book's %q cannot be read: %v", name, err)
		}
		if s := strings.TrimSpace(clean(string(chapter))); s != "" {
			out.WriteString(s + "\n\n")
		}
		if out.Len() > maxBookText {
			return "", refuse("the book has more than %d KiB of text: split it", maxBookText>>10)
		}
	}
	if out.Len() == 0 {
		return "", refuse("the book holds no text: bring books of pictures as PDF")
	}
	return strings.TrimSpace(out.String()), nil
}

// spine lists the book's documents in the order of reading.
func (b *book) spine() ([]string, error) {
	var container struct {
		Roots []struct {
			Path string `xml:"full-path,attr"`
		} `xml:"rootfiles>rootfile"`
	}
	if err := b.decode("META-INF/container.xml", &container); err != nil {
		return nil, err
	}
	if len(container.Roots) == 0 {
		return nil, refuse("the book does not say where its contents are")
	}
	root := container.Roots[0].Path
	var pack struct {
		Items []struct {
			ID   string `xml:"id,attr"`
			Href string `xml:"href,attr"`
			Type string `xml:"media-type,attr"`
		} `xml:"manifest>item"`
		Refs []struct {
			ID string `xml:"idref,attr"`
		} `xml:"spine>itemref"`
	}
	if err := b.decode(root, &pack); err != nil {
		return nil, err
	}
	at := map[string]string{}
	for _, i := range pack.Items {
		href, err := url.PathUnescape(i.Href)
		if err == nil && i.Type == "application/xhtml+xml" {
			at[i.ID] = path.Join(path.Dir(root), href)
		}
	}
	var out []string
	for _, r := range pack.Refs {
		if name := at[r.ID]; name != "" {
			out = append(out, name)
		}
	}
	if len(out) > maxSpine {
		return nil, refuse("the book has %d documents, more than %d", len(out), maxSpine)
	}
	return out, nil
}

// locked names the entries that are encrypted. Fonts that are only disguised are among
// them in many free books, and none of ours.
func (b *book) locked() (map[string]bool, error) {
	const name = "META-INF/encryption.xml"
	out := map[string]bool{}
	if b.entries[name] == nil {
		return out, nil
	}
	var list struct {
		Data []struct {
			Reference struct {
				URI string `xml:"URI,attr"`
			} `xml:"CipherData>CipherReference"`
		} `xml:"EncryptedData"`
	}
	if err := b.decode(name, &list); err != nil {
		return nil, err
	}
	for _, d := range list.Data {
		if uri, err := url.PathUnescape(d.Reference.URI); err == nil {
			out[uri] = true
		}
	}
	return out, nil
}

// words leaves of a document what a kiosk's screen shows: no pictures, no programs, no
// links but their words, and tables as lines.
func words(n *html.Node, depth int) error {
	if depth > maxDepth {
		return refuse("a document of the book is nested more than %d deep", maxDepth)
	}
	for c := n.FirstChild; c != nil; {
		next := c.NextSibling
		if c.Type == html.ElementNode {
			switch c.DataAtom {
			case atom.Img, atom.Svg, atom.Script, atom.Style, atom.Head, atom.Iframe, atom.Object, atom.Audio, atom.Video, atom.Math, atom.Form, atom.Nav:
				n.RemoveChild(c)
				c = next
				continue
			case atom.A:
				c.Data, c.DataAtom, c.Attr = "span", atom.Span, nil
			case atom.Table, atom.Tbody, atom.Thead, atom.Tfoot:
				c.Data, c.DataAtom, c.Attr = "div", atom.Div, nil
			case atom.Tr:
				c.Data, c.DataAtom, c.Attr = "p", atom.P, nil
			case atom.Td, atom.Th:
				c.Data, c.DataAtom, c.Attr = "span", atom.Span, nil
				if hasCellAfter(c) {
					c.AppendChild(&html.Node{Type: html.TextNode, Data: " · "})
				}
			}
		}
		if err := words(c, depth+1); err != nil {
			return err
		}
		c = next
	}
	return nil
}

func hasCellAfter(n *html.Node) bool {
	for s := n.NextSibling; s != nil; s = s.NextSibling {
		if s.DataAtom == atom.Td || s.DataAtom == atom.Th {
			return true
		}
	}
	return false
}

// isEPUB says whether an archive is a book: its first entry says so, not packed.
func isEPUB(head []byte) bool {
	const mark = "mimetype" + desk.TypeEPUB
	return len(head) > 30+len(mark) && string(head[:4]) == "PK\x03\x04" && string(head[30:30+len(mark)]) == mark
}
