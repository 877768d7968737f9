package touch

import "strings"

// staffWords are what the staff's page says, in Vietnamese and English.
var staffWords = map[string][2]string{
	"staff":           {"Dành cho cán bộ", "For staff"},
	"leave":           {"Thoát", "Leave"},
	"waiting":         {"Đang hỏi máy…", "Asking the machine…"},
	"no_pin":          {"Máy này chưa có mã PIN. Kỹ thuật viên đặt mã bằng lệnh: kiosk pin", "This machine has no PIN yet. A technician sets one with: kiosk pin"},
	"locked":          {"Đã nhập sai quá nhiều lần. Thử lại sau {n} phút.", "Too many wrong tries. Try again in {n} minutes."},
	"enter_pin":       {"Nhập mã PIN", "Enter the PIN"},
	"wrong":           {"Mã PIN sai. Còn {n} lần thử.", "Wrong PIN. Tries left: {n}"},
	"delete":          {"Xóa", "Delete"},
	"enter":           {"Vào", "Enter"},
	"clock":           {"Giờ của máy", "The machine's time"},
	"clock_synced":    {"Tin được: đang được đồng bộ.", "Believed: a time service keeps it."},
	"clock_confirmed": {"Tin được: cán bộ đã xác nhận.", "Believed: confirmed by staff."},
	"clock_agrees":    {"Tin được: khớp với giờ do máy chủ ký.", "Believed: agrees with the hub's signed time."},
	"clock_differs":   {"Không tin được: khác giờ do máy chủ ký. Lịch phát đang dừng.", "Not believed: differs from the hub's signed time. Schedules do not run."},
	"clock_plausible": {"Tin được: hợp với những gì máy biết, nhưng chưa đồng bộ.", "Believed: fits what the machine knows, but is not synchronised."},
	"clock_behind":    {"Không tin được: sớm hơn một thời điểm đã qua. Lịch phát đang dừng.", "Not believed: earlier than an instant that has passed. Schedules do not run."},
	"clock_ahead":     {"Không tin được: muộn hơn nhiều so với những gì máy biết. Lịch phát đang dừng.", "Not believed: far later than what the machine knows. Schedules do not run."},
	"clock_right":     {"Giờ trên màn hình này là đúng", "The time on this screen is right"},
	"plays":           {"Đang phát, và vì sao", "What plays, and why"},
	"layer_main":      {"Chính", "Main"},
	"layer_side":      {"Bên cạnh", "Side"},
	"layer_ticker":    {"Chữ chạy", "Ticker"},
	"layer_audio":     {"Âm thanh", "Audio"},
	"nothing":         {"không có gì", "nothing"},
	"by_default":      {"danh sách mặc định {list}: không lịch nào đang có hiệu lực", "default playlist {list}: no schedule applies"},
	"by_notice":       {"thông báo khẩn {id}", "emergency notice {id}"},
	"by_schedule":     {"lịch {id}, danh sách {list}", "schedule {id}, playlist {list}"},
	"now":             {"đang hiện: {title}", "on now: {title}"},
	"until":           {"đến {t}", "until {t}"},
	"lost":            {"{id} không phát: {why}", "{id} does not play: {why}"},
	"rule_notice":     {"thông báo khẩn che tất cả", "a notice covers everything"},
	"rule_clock":      {"giờ của máy không tin được", "the clock is not believed"},
	"rule_not now":    {"chưa đến hoặc đã qua giờ", "it is not its time"},
	"rule_unplayable": {"trên máy này không có gì trong danh sách phát được", "nothing in its playlist can play here"},
	"rule_priority":   {"lịch khác có mức ưu tiên cao hơn", "another has a higher priority"},
	"rule_one-off":    {"lịch một lần đứng trước lịch lặp lại", "a one-off goes before a recurring one"},
	"rule_later start": {"lịch khác bắt đầu muộn hơn",
		"another started later"},
	"rule_smaller id": {"trùng hoàn toàn; mã nhỏ hơn được chọn", "all else is equal; the smaller id is chosen"},
	"content":         {"Nội dung và kết nối", "Content and link"},
	"edition":         {"Bản nội dung: {id}", "Edition: {id}"},
	"files":           {"Tệp: {n} · còn thiếu {lacking} · hỏng {damaged}", "Files: {n} · still missing {lacking} · damaged {damaged}"},
	"no_hub":          {"Máy này không thuộc trung tâm nào.", "This machine belongs to no hub."},
	"online":          {"Đang nối với {hub}, nghe được {n} giây trước", "Connected to {hub}, heard {n} seconds ago"},
	"offline":         {"Không nối được với {hub}", "Not connected to {hub}"},
	"synced":          {"Đồng bộ lần cuối: {t}", "Last sync: {t}"},
	"never_synced":    {"Chưa đồng bộ lần nào", "Never synchronised"},
	"outbox":          {"Chờ gửi: {n} dòng", "Waiting to be sent: {n} rows"},
	"volume":          {"Âm lượng", "Volume"},
	"volume_is":       {"{n} % mức của nơi này; đang nghe {heard} %", "{n} % of what the place sets; heard now {heard} %"},
	"quieter":         {"Nhỏ hơn", "Quieter"},
	"louder":          {"To hơn", "Louder"},
	"stick":           {"Nhập từ USB", "Import from a stick"},
	"no_stick":        {"Không thấy USB có nội dung của Cột Mốc.", "No stick with content of Cột Mốc is to be seen."},
	"import":          {"Nhập từ {name}", "Import from {name}"},
	"taking":          {"Đang nhập: {done} / {total} tệp", "Importing: {done} of {total} files"},
	"taken":           {"Đã nhập xong. Bản đang phát: {id}", "The import is done. Edition that plays: {id}"},
	"not_taken":       {"Không nhập được; nội dung cũ vẫn phát.", "The import failed; what was there plays on."},
	"screen":          {"Màn hình", "Screen"},
	"test":            {"Thử màn hình và cảm ứng", "Test the screen and touch"},
	"test_hint":       {"Chạm vào bất cứ đâu: mỗi lần chạm để lại một dấu.", "Touch anywhere: each touch leaves a mark."},
	"end_test":        {"Kết thúc thử", "End the test"},
	"problems":        {"Vấn đề", "Problems"},
	"none":            {"Không có", "None"},
}

// word returns words of the staff's page, with {name} replaced by the value that follows
// it in pairs.
func (s *staff) word(key string, pairs ...string) string {
	n := 0
	if s.lang == "en" {
		n = 1
	}
	out := staffWords[key][n]
	for i := 0; i+1 < len(pairs); i += 2 {
		out = strings.ReplaceAll(out, "{"+pairs[i]+"}", pairs[i+1])
	}
	return out
}
