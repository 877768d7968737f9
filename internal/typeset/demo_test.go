package typeset

import (
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"testing"
	"time"
)

func TestDemo(t *testing.T) {
	e := New()
	img := image.NewRGBA(image.Rect(0, 0, 1200, 900))
	draw.Draw(img, img.Rect, image.White, image.Point{}, draw.Src)
	y := 10.0
	for _, p := range [][2]string{
		{"vi", "Mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền lợi. Cửa khẩu quốc tế Hữu Nghị mở cửa từ 07:00 đến 20:00."},
		{"zh-Hans", "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。直骨角令化“友谊关”……"},
		{"lo", "ມະນຸດເກີດມາມີສິດເສລີພາບ ແລະສະເໝີໜ້າກັນໃນທາງກຽດຕິສັກ ແລະທາງສິດດ້ວຍມະນຸດ ເຫຼົ່ານີ້"},
		{"km", "មនុស្សទាំងអស់ កើតមកមានសេរីភាព និងសមភាព ក្នុងផ្នែកសេចក្ដីថ្លៃថ្នូរនិងសិទ្ធិ។ ក្នុង ប្អូន"},
		{"blt", "ꪶꪁꪙꪰ꫁ꪙ ꪋꪴ꫁ ꪹꪠ꪿ꪒꪽ ꪶꪙꪫ"},
		{"th", "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ"},
		{"he", "כל בני אדם נולדו בני חורין abc 123"},
		{"en", "All human beings are born free ← → ⇄ ✓ ơ̆ Ê-đê ƀuôn"},
	} {
		start := time.Now()
		b := e.Layout(p[1], Style{Lang: p[0], Size: 36, Width: 1100, Bold: p[0] == "km"})
		t.Log(p[0], len(b.Lines), b.Fonts, string(b.Missing), time.Since(start))
		b.Draw(img, 20, y, color.Black)
		y += float64(b.Height) + 10
	}
	f, _ := os.Create("/tmp/demo/a.png")
	png.Encode(f, img)
	f.Close()
}
