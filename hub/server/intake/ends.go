package intake

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

var errNoEnd = errors.New("its end is missing")

// pictureEnd walks a picture's parts and returns where it ends, in bytes.
func pictureEnd(in io.ReaderAt, kind string) (int64, error) {
	w := &walker{in: in, r: bufio.NewReader(io.NewSectionReader(in, 0, 1<<62))}
	var err error
	switch kind {
	case "png":
		err = w.png()
	case "gif":
		err = w.gif()
	case "jpeg":
		err = w.jpeg()
	case "webp":
		w.take(4)
		w.at = 8 + int64(w.u32(binary.LittleEndian))
		w.at += w.at & 1
	default:
		err = fmt.Errorf("pictures of the kind %q have no known end", kind)
	}
	if err == nil {
		err = w.err
	}
	return w.at, err
}

// walker reads on and counts.
type walker struct {
	in  io.ReaderAt
	r   *bufio.Reader
	at  int64
	err error
}

func (w *walker) byte() byte {
	b, err := w.r.ReadByte()
	if err != nil && w.err == nil {
		w.err = errNoEnd
	}
	w.at++
	return b
}

func (w *walker) take(n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(w.r, b); err != nil && w.err == nil {
		w.err = errNoEnd
	}
	w.at += int64(n)
	return b
}

func (w *walker) u32(order binary.ByteOrder) uint32 { return order.Uint32(w.take(4)) }

func (w *walker) skip(n int64) {
	if m, err := io.CopyN(io.Discard, w.r, n); (err != nil || m != n) && w.err == nil {
		w.err = errNoEnd
	}
	w.at += n
}

func (w *walker) png() error {
	for w.skip(8); w.err == nil; {
		length := w.u32(binary.BigEndian)
		name := string(w.take(4))
		w.skip(int64(length) + 4)
		if name == "IEND" {
			return w.err
		}
	}
	return w.err
}

// blocks skips GIF's data in pieces of at most 255 bytes.
func (w *walker) blocks() {
	for n := w.byte(); n > 0 && w.err == nil; n = w.byte() {
		w.skip(int64(n))
	}
}

func (w *walker) gif() error {
	table := func(flags byte) {
		if flags&0x80 != 0 {
			w.skip(3 << (flags&7 + 1))
		}
	}
	w.skip(10)
	flags := w.byte()
	w.skip(2)
	table(flags)
	for w.err == nil {
		switch w.byte() {
		case 0x3b:
			return w.err
		case 0x21:
			w.byte()
			w.blocks()
		case 0x2c:
			w.skip(8)
			table(w.byte())
			w.byte()
			w.blocks()
		default:
			return errors.New("it holds an unknown block")
		}
	}
	return w.err
}

func (w *walker) jpeg() error {
	w.skip(2)
	for w.err == nil {
		if w.byte() != 0xff {
			continue // between a scan's data and its next marker
		}
		marker := w.byte()
		for marker == 0xff && w.err == nil {
			marker = w.byte()
		}
		switch {
		case marker == 0xd9:
			return w.err
		case marker == 0 || marker >= 0xd0 && marker <= 0xd8 || marker == 1:
		default:
			length := int64(binary.BigEndian.Uint16(w.take(2)))
			w.skip(max(0, length-2))
		}
	}
	return w.err
}
