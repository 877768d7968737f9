// Package keys is the keyboard of the touch screens: layouts, and how what is typed
// becomes letters.
package keys

// Layout is a keyboard. Each level is shown by itself, a row a string, keys between
// spaces.
type Layout struct {
	Name   string // first letters of its script
	Lang   string // BCP 47
	Levels [][]string
}

// Layouts are all. Lao, Khmer and Thai are those of Debian's xkb-data (la, kh, th),
// which are the standards of their countries.
var Layouts = []Layout{
	{Name: "ăâđ", Lang: "vi", Levels: [][]string{
		{"1 2 3 4 5 6 7 8 9 0", "q w e r t y u i o p", "a s d f g h j k l", "z x c v b n m", "ă â đ ê ô ơ ư \u0301 \u0300 \u0309 \u0303 \u0323"},
	}},
	{Name: "abc", Lang: "en", Levels: [][]string{
		{"1 2 3 4 5 6 7 8 9 0", "q w e r t y u i o p", "a s d f g h j k l", "z x c v b n m"},
	}},
	{Name: "ກຂຄ", Lang: "lo", Levels: [][]string{
		{"ຢ ຟ ໂ ຖ ຸ ູ ຄ ຕ ຈ ຂ ຊ ໍ", "ົ ໄ ຳ ພ ະ ິ ີ ຣ ນ ຍ ບ ລ ໜ", "ັ ຫ ກ ດ ເ ້ ່ າ ສ ວ ງ", "ຜ ປ ແ ອ ຶ ື ທ ມ ໃ ຝ"},
		{"໑ ໒ ໓ ໔ ໌ ຼ ໕ ໖ ໗ ໘ ໙", "໐ ຮ ຽ ໝ", "໊ ໋", "ຯ ໆ"},
	}},
	{Name: "កខគ", Lang: "km", Levels: [][]string{
		{"១ ២ ៣ ៤ ៥ ៦ ៧ ៨ ៩ ០ ឥ ឲ", "ឮ ឆ ឹ េ រ ត យ ុ ិ ោ ផ ៀ ឪ", "ា ស ដ ថ ង ហ ្ ក ល ើ ់", "ឋ ខ ច វ ប ន ម េះ ។ ៊"},
		{"ៗ ៛ ៍ ័ ៏ ៌", "ឭ ឈ ឺ ែ ឬ ទ ួ ូ ី ៅ ភ ឿ ឧ", "ាំ ៃ ឌ ធ អ ះ ញ គ ឡ ោះ ៉", "ឍ ឃ ជ ុះ ព ណ ំ ុំ ៕"},
	}},
	{Name: "กขค", Lang: "th", Levels: [][]string{
		{"ๅ ภ ถ ุ ึ ค ต จ ข ช", "ๆ ไ ำ พ ะ ั ี ร น ย บ ล ฃ", "ฟ ห ก ด เ ้ ่ า ส ว ง", "ผ ป แ อ ิ ื ท ม ใ ฝ"},
		{"๑ ๒ ๓ ๔ ู ๕ ๖ ๗ ๘ ๙", "๐ ฎ ฑ ธ ํ ๊ ณ ฯ ญ ฐ ฅ", "ฤ ฆ ฏ โ ฌ ็ ๋ ษ ศ ซ", "ฉ ฮ ฺ ์ ฒ ฬ ฦ"},
	}},
}

// For returns the number of the layout for a language: Chinese is typed in Latin.
func For(lang string) int {
	for n, l := range Layouts {
		if l.Lang == lang {
			return n
		}
	}
	if lang == "zh-Hans" || lang == "fr" {
		return 1
	}
	return 0
}
