package decode

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	_ "image/gif" // the first frame
	_ "image/jpeg"
	_ "image/png"
	"io"
	"os"

	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp"

	"cotmoc/internal/ffmpeg"
	"cotmoc/playlist"
)

// MaxPicturePixels bounds a picture before it is decoded: 64 megapixels take
// 256 MB, which a kiosk can spare for a moment.
const MaxPicturePixels = 64 << 20

// Picture decodes a still picture and fits it to w×h. The result is w×h for
// Cover and Blur; for Contain it is the largest size that fits, and the caller
// centres it. EXIF orientation is applied.
func Picture(path string, w, h int, fit playlist.Fit) (*image.RGBA, error) {
	info, err := ffmpeg.CheckFile(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > 256<<20 {
		return nil, fmt.Errorf("the picture file has %d MB, more than 256", info.Size()>>20)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open picture: %w", err)
	}
	defer f.Close()
	config, kind, err := image.DecodeConfig(bufio.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("not a picture that can be shown: %w", err)
	}
	if config.Width <= 0 || config.Height <= 0 || config.Width > MaxPicturePixels/config.Height {
		return nil, fmt.Errorf("the picture is %d×%d, more than 64 megapixels", config.Width, config.Height)
	}
	if max(config.Width, config.Height) > maxPictureSide {
		return nil, fmt.Errorf("the picture is %d×%d, longer than %d on one side", config.Width, config.Height, maxPictureSide)
	}
	orientation := 1
	if kind == "jpeg" {
		orientation = exifOrientation(f)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read picture: %w", err)
	}
	src, _, err := image.Decode(bufio.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("the picture is damaged: %w", err)
	}
	return Fit(src, orientation, w, h, fit), nil
}

const (
	maxPictureSide = 20_000    // bounds pictures that are few pixels but one long line
	maxScaling     = 512 << 20 // bytes that scaling one picture may take beside it
)

// Fit scales src, turned as an EXIF orientation (1 to 8) says, to w×h.
func Fit(src image.Image, orientation, w, h int, fit playlist.Fit) *image.RGBA {
	sw, sh := src.Bounds().Dx(), src.Bounds().Dy()
	turned := orientation >= 5
	if turned {
		sw, sh = sh, sw
	}
	switch fit {
	case playlist.Cover:
		return turn(scaled(src, turned, w, h, coverRect(sw, sh, w, h)), orientation)
	case playlist.Blur:
		back := Blurred(turn(scaled(src, turned, w, h, coverRect(sw, sh, w, h)), orientation))
		front := Fit(src, orientation, w, h, playlist.Contain)
		at := image.Pt((w-front.Rect.Dx())/2, (h-front.Rect.Dy())/2)
		draw.Draw(back, front.Rect.Add(at), front, image.Point{}, draw.Src)
		return back
	}
	fw, fh, _ := fitSize(sw, sh, VideoOptions{Width: w, Height: h, Fit: playlist.Contain})
	return turn(scaled(src, turned, fw, fh, image.Rect(0, 0, sw, sh)), orientation)
}

// coverRect is the part of a sw×sh picture that fills w×h.
func coverRect(sw, sh, w, h int) image.Rectangle {
	cw, ch := sw, sh
	if sw*h > w*sh {
		cw = max(1, sh*w/h)
	} else {
		ch = max(1, sw*h/w)
	}
	return image.Rect((sw-cw)/2, (sh-ch)/2, (sw-cw)/2+cw, (sh-ch)/2+ch)
}

// scaled scales part (in turned coordinates, symmetric about the centre) of
// src to w×h (turned), still unturned.
func scaled(src image.Image, turned bool, w, h int, part image.Rectangle) *image.RGBA {
	if turned {
		w, h = h, w
		part = image.Rect(part.Min.Y, part.Min.X, part.Max.Y, part.Max.X)
	}
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	part = part.Add(src.Bounds().Min)
	var scaler draw.Interpolator = draw.BiLinear // averages over all source pixels when it shrinks
	if part.Dx() < w {
		scaler = draw.CatmullRom
	}
	// The scaler keeps w × height of the source in floats. A long strip is made
	// shorter first, without that table.
	if w*part.Dy()*32 > maxScaling && part.Dy() > 4*h {
		short := image.NewRGBA(image.Rect(0, 0, part.Dx(), min(part.Dy(), 4*h)))
		draw.ApproxBiLinear.Scale(short, short.Rect, src, part, draw.Src, nil)
		src, part = short, short.Rect
	}
	scaler.Scale(dst, dst.Rect, src, part, draw.Src, nil)
	return dst
}

// turn applies an EXIF orientation.
func turn(src *image.RGBA, orientation int) *image.RGBA {
	if orientation <= 1 || orientation > 8 {
		return src
	}
	w, h := src.Rect.Dx(), src.Rect.Dy()
	dw, dh := w, h
	if orientation >= 5 {
		dw, dh = h, w
	}
	dst := image.NewRGBA(image.Rect(0, 0, dw, dh))
	for y := range h {
		for x := range w {
			dx, dy := x, y
			switch orientation {
			case 2:
				dx = w - 1 - x
			case 3:
				dx, dy = w-1-x, h-1-y
			case 4:
				dy = h - 1 - y
			case 5:
				dx, dy = y, x
			case 6:
				dx, dy = h-1-y, x
			case 7:
				dx, dy = h-1-y, w-1-x
			case 8:
				dx, dy = y, w-1-x
			}
			copy(dst.Pix[dst.PixOffset(dx, dy):][:4], src.Pix[src.PixOffset(x, y):][:4])
		}
	}
	return dst
}

// Blurred returns src blurred and a little darkened: the sides of a picture
// that does not fill its zone. It works on a 1/16 copy, so it is quick.
func Blurred(src *image.RGBA) *image.RGBA {
	w, h := src.Rect.Dx(), src.Rect.Dy()
	small := image.NewRGBA(image.Rect(0, 0, max(2, w/16), max(2, h/16)))
	draw.ApproxBiLinear.Scale(small, small.Rect, src, src.Rect, draw.Src, nil)
	for range 3 {
		small = box(small)
	}
	for i := range small.Pix {
		if i%4 != 3 {
			small.Pix[i] = uint8(int(small.Pix[i]) * 6 / 10)
		}
	}
	dst := image.NewRGBA(src.Rect)
	draw.ApproxBiLinear.Scale(dst, dst.Rect, small, small.Rect, draw.Src, nil)
	return dst
}

// Coarse makes a small RGBA picture, an eighth of the size, of a yuv420p frame
// (BT.709, limited range): enough to be blurred.
func Coarse(frame []byte, w, h int) *image.RGBA {
	const step = 8
	dst := image.NewRGBA(image.Rect(0, 0, max(1, w/step), max(1, h/step)))
	for y := range dst.Rect.Dy() {
		for x := range dst.Rect.Dx() {
			chroma := w*h + (y*step/2)*(w/2) + x*step/2
			l := 1.164384 * (float64(frame[y*step*w+x*step]) - 16)
			u, v := float64(frame[chroma])-128, float64(frame[chroma+w*h/4])-128
			i := dst.PixOffset(x, y)
			for c, value := range []float64{l + 1.792741*v, l - 0.213249*u - 0.532909*v, l + 2.112402*u} {
				dst.Pix[i+c] = uint8(min(max(value, 0), 255))
			}
			dst.Pix[i+3] = 255
		}
	}
	return dst
}

func box(src *image.RGBA) *image.RGBA {
	dst := image.NewRGBA(src.Rect)
	w, h := src.Rect.Dx(), src.Rect.Dy()
	for y := range h {
		for x := range w {
			var sum [4]int
			n := 0
			for dy := -2; dy <= 2; dy++ {
				for dx := -2; dx <= 2; dx++ {
					if sx, sy := x+dx, y+dy; sx >= 0 && sy >= 0 && sx < w && sy < h {
						p := src.Pix[src.PixOffset(sx, sy):]
						for c := range 4 {
							sum[c] += int(p[c])
						}
						n++
					}
				}
			}
			for c := range 4 {
				dst.Pix[dst.PixOffset(x, y)+c] = uint8(sum[c] / n)
			}
		}
	}
	return dst
}

// exifOrientation reads the orientation tag of a JPEG; 1 (upright) if there
// is none or it is damaged.
func exifOrientation(f io.ReadSeeker) int {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 1
	}
	head := make([]byte, 256<<10)
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.ErrUnexpectedEOF {
		return 1
	}
	return orientationIn(head[:n])
}

func orientationIn(b []byte) int {
	for at := 2; at+4 <= len(b) && b[at] == 0xFF; {
		marker, size := b[at+1], int(binary.BigEndian.Uint16(b[at+2:]))
		if size < 2 || marker == 0xDA || at+2+size > len(b) {
			return 1
		}
		segment := b[at+4 : at+2+size]
		if marker == 0xE1 && bytes.HasPrefix(segment, []byte("Exif\x00\x00")) {
			return tiffOrientation(segment[6:])
		}
		at += 2 + size
	}
	return 1
}

func tiffOrientation(t []byte) int {
	if len(t) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.LittleEndian
	if t[0] == 'M' {
		order = binary.BigEndian
	}
	at := int(order.Uint32(t[4:]))
	if at < 8 || at+2 > len(t) {
		return 1
	}
	count := int(order.Uint16(t[at:]))
	for i := range count {
		e := at + 2 + i*12
		if e+12 > len(t) {
			return 1
		}
		if order.Uint16(t[e:]) == 0x0112 {
			if o := int(order.Uint16(t[e+8:])); o >= 1 && o <= 8 {
				return o
			}
			return 1
		}
	}
	return 1
}
