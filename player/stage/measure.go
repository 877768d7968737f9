package stage

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hajimehoshi/ebiten/v2"

	"cotmoc/internal/atomicfile"
	"cotmoc/player/decode"
)

// Choice is the way that video frames take to the screen of this machine, and
// what was measured when it was chosen: milliseconds for one 1080p frame, from
// the decoder's YUV to pixels drawn.
type Choice struct {
	Renderer string  `json:"renderer"` // what OpenGL called itself then
	Frames   string  `json:"frames"`   // rgba or yuv
	RGBA     float64 `json:"rgba_ms"`
	YUV      float64 `json:"yuv_ms"`
}

// LoadChoice reads what an earlier start measured. It holds for the same
// renderer only: a new card, or a driver that fell back to software, is
// measured again.
func LoadChoice(file, renderer string) (Choice, bool) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return Choice{}, false
	}
	var c Choice
	if json.Unmarshal(raw, &c) != nil || c.Renderer != renderer || c.format() < 0 {
		return Choice{}, false
	}
	return c, true
}

// Save keeps the choice for the next start.
func (c Choice) Save(file string) error {
	raw, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("keep what was measured: %w", err)
	}
	return atomicfile.Write(file, append(raw, '\n'), 0o644)
}

func (c Choice) format() decode.PixelFormat {
	switch c.Frames {
	case "rgba":
		return decode.RGBA
	case "yuv":
		return decode.YUV420
	}
	return -1
}

// Software tells whether a renderer draws with the CPU.
func Software(renderer string) bool {
	r := strings.ToLower(renderer)
	return r == "" || strings.Contains(r, "llvmpipe") || strings.Contains(r, "softpipe") || strings.Contains(r, "swrast") || strings.Contains(r, "software")
}

// measure draws frames both ways and takes the cheaper. It must run inside the
// game's Update. What swscale pays for RGBA counts as well. It is the time of
// the processors that counts: a renderer without a GPU uses all of them at
// once, and would seem quick. A way that cannot keep up with 30 frames a second
// is the dearer whatever it costs.
func measure(ctx context.Context, renderer string) (Choice, error) {
	const w, h, frames = 1920, 1080, 5
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second) // the window does not beat meanwhile
	defer cancel()
	c := Choice{Renderer: renderer, Frames: "rgba"}
	convert, err := decode.ConversionCost(ctx, w, h)
	if err != nil {
		return c, err
	}
	rgba, err := drawCost(decode.RGBA, w, h, frames)
	if err != nil {
		return c, err
	}
	yuv, err := drawCost(decode.YUV420, w, h, frames)
	if err != nil {
		return c, err
	}
	rgba.cpu += convert
	c.RGBA, c.YUV = rgba.cpu.Seconds()*1000, yuv.cpu.Seconds()*1000
	if yuv.keepsUp() && (yuv.cpu.Seconds() < clearly*rgba.cpu.Seconds() || !rgba.keepsUp()) {
		c.Frames = "yuv"
	}
	return c, nil
}

// clearly is how much cheaper the shader's way must be to be taken. A measure of
// five frames wanders by a quarter; without a GPU the two differ by less, and
// over a minute swscale's way is the cheaper. With one the shader's needs a
// third of the bytes and no conversion.
const clearly = 0.6

// cost is what a frame takes: time of all processors, and time on the clock.
type cost struct{ cpu, clock time.Duration }

func (c cost) keepsUp() bool { return c.clock < time.Second/30 }

// drawCost is the cost to upload a frame, draw it and see it drawn: the mean of
// the processors' time, the median on the clock.
func drawCost(format decode.PixelFormat, w, h, frames int) (cost, error) {
	path, err := newFramePath(format)
	if err != nil {
		return cost{}, err
	}
	v := &decode.Video{Width: w, Height: h, Format: format}
	img := path.newImage(v)
	defer textures.give(img)
	size := img.Bounds().Size()
	pix := make([]byte, size.X*size.Y*4)
	noise := rand.New(rand.NewPCG(1, 2))
	for i := range pix {
		pix[i] = byte(noise.Uint32())
	}
	screen := ebiten.NewImageWithOptions(image.Rect(0, 0, w, h), &ebiten.NewImageOptions{Unmanaged: true})
	defer screen.Deallocate()
	p := newPainter(screen, w, h, 0, nil)
	corner := screen.SubImage(image.Rect(0, 0, 1, 1)).(*ebiten.Image)
	var took []time.Duration
	var before float64
	for n := range frames + 1 {
		if n == 1 { // the first makes textures and programs
			took, before = nil, cpuSeconds()
		}
		began := time.Now()
		img.WritePixels(pix)
		path.draw(p, img, v, image.Point{}, image.Rect(0, 0, w, h), plain)
		corner.ReadPixels(make([]byte, 4)) // returns once all is drawn
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	cpu := time.Duration((cpuSeconds() - before) / float64(frames) * float64(time.Second))
	return cost{cpu, took[len(took)/2]}, nil
}
