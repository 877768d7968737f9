package stage

import (
	"fmt"
	"image"

	"github.com/hajimehoshi/ebiten/v2"

	"cotmoc/player/decode"
)

// framePath is how a decoded frame reaches the screen: RGBA as it is, or
// planar YUV unpacked by a shader.
type framePath struct {
	format decode.PixelFormat
	shader *ebiten.Shader
}

// unpack turns one texture of (w/4) × (h·3/2) texels, the bytes of a yuv420p
// frame as they are, into colours (BT.709, limited range).
const unpack = `//kage:unit pixels
package main

var Size vec2

func part(i float, texel vec4) float {
	if i < 0.5 {
		return texel.r
	}
	if i < 1.5 {
		return texel.g
	}
	if i < 2.5 {
		return texel.b
	}
	return texel.a
}

func sample(at float, origin vec2) float {
	w := Size.x / 4
	texel := floor(at / 4)
	y := floor(texel / w)
	return part(at-texel*4, imageSrc0UnsafeAt(origin+vec2(texel-y*w+0.5, y+0.5)))
}

func Fragment(dst vec4, src vec2, color vec4) vec4 {
	origin := imageSrc0Origin()
	p := floor(color.rg * Size)
	half := floor(p / 2)
	chroma := half.y*(Size.x/2) + half.x
	plane := Size.x * Size.y
	y := sample(p.y*Size.x+p.x, origin)
	u := sample(plane+chroma, origin)
	v := sample(plane*1.25+chroma, origin)
	l := (y - 0.0627451) * 1.164384
	u -= 0.5019608
	v -= 0.5019608
	rgb := clamp(vec3(l+1.792741*v, l-0.213249*u-0.532909*v, l+2.112402*u), 0, 1)
	return vec4(rgb, 1) * color.a
}
`

func newFramePath(format decode.PixelFormat) (*framePath, error) {
	f := &framePath{format: format}
	if format == decode.YUV420 {
		s, err := ebiten.NewShader([]byte(unpack))
		if err != nil {
			return nil, fmt.Errorf("shader: %w", err)
		}
		f.shader = s
	}
	return f, nil
}

func (f *framePath) newImage(v *decode.Video) *ebiten.Image {
	w, h := v.Width, v.Height
	if f.format == decode.YUV420 {
		w, h = w/4, h*3/2
	}
	return textures.take(image.Pt(w, h))
}

func (f *framePath) draw(p *painter, img *ebiten.Image, v *decode.Video, at image.Point, zone image.Rectangle, l look) {
	if img == nil {
		return
	}
	if f.format == decode.RGBA {
		p.image(img, at, zone, l)
		return
	}
	at.X += l.shift
	whole := image.Rect(0, 0, v.Width, v.Height).Add(at)
	seen := whole.Intersect(zone)
	if seen.Empty() || l.alpha <= 0 {
		return
	}
	// The colour's red and green carry the place in the frame, 0 to 1.
	vertex := func(x, y int) ebiten.Vertex {
		sx, sy := p.turn.Apply(float64(x), float64(y))
		return ebiten.Vertex{DstX: float32(sx), DstY: float32(sy),
			ColorR: float32(x-whole.Min.X) / float32(v.Width), ColorG: float32(y-whole.Min.Y) / float32(v.Height), ColorA: l.alpha}
	}
	corners := []ebiten.Vertex{vertex(seen.Min.X, seen.Min.Y), vertex(seen.Max.X, seen.Min.Y), vertex(seen.Min.X, seen.Max.Y), vertex(seen.Max.X, seen.Max.Y)}
	p.screen.DrawTrianglesShader(corners, []uint16{0, 1, 2, 1, 2, 3}, f.shader, &ebiten.DrawTrianglesShaderOptions{
		Images:   [4]*ebiten.Image{img},
		Uniforms: map[string]any{"Size": []float32{float32(v.Width), float32(v.Height)}},
	})
}

// blurred makes the sides of a video that does not fill its zone.
func (f *framePath) blurred(v *decode.Video, frame *decode.Frame, size image.Point) *image.RGBA {
	src := &image.RGBA{Pix: frame.Pix, Stride: v.Width * 4, Rect: image.Rect(0, 0, v.Width, v.Height)}
	if f.format == decode.YUV420 {
		src = decode.Coarse(frame.Pix, v.Width, v.Height)
	}
	return decode.Blurred(decode.Fit(src, 1, size.X, size.Y, "cover"))
}
