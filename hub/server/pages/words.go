package pages

// words are the pages' words: Vietnamese, English.
var words = map[string][2]string{
	"name": {"Cột Mốc", "Cột Mốc"}, "skip": {"Đến nội dung chính", "Skip to content"}, "menu": {"Trình đơn", "Menu"}, "home": {"Về trang đầu", "To the first page"},
	"sign-in": {"Đăng nhập", "Sign in"}, "sign-out": {"Đăng xuất", "Sign out"}, "sign-in-provider": {"Đăng nhập một lần (SSO)", "Single sign-on"},
	"login": {"Tên đăng nhập", "Login"}, "password": {"Mật khẩu", "Password"}, "code": {"Mã bước hai", "Code of the second step"},
	"code-help": {"Sáu chữ số trong ứng dụng xác thực. Để trống nếu tài khoản không dùng.", "Six digits from your authenticator. Leave empty if your account has none."},
	"review":    {"Chờ duyệt", "To review"}, "queue-caption": {"Nội dung đang chờ duyệt tại nơi bạn phụ trách", "What waits for review where you may review"},
	"queue-empty": {"Không có nội dung nào chờ duyệt.", "Nothing waits for review."},
	"title":       {"Tiêu đề", "Title"}, "language": {"Ngôn ngữ", "Language"}, "class": {"Loại", "Class"}, "owner": {"Đơn vị", "Owner"},
	"needed": {"Còn cần duyệt ở cấp", "Approvals missing"}, "you": {"Bạn", "You"}, "can-approve": {"có thể duyệt", "may approve"},
	"why-author": {"bạn là người viết: người khác phải duyệt", "you wrote it: another person must approve"}, "why-approved already": {"bạn đã duyệt", "you have approved"},
	"why-level": {"cần cấp cao hơn", "needs a higher level"}, "why-": {"không còn chờ duyệt", "does not wait for review any more"},
	"level-ministry": {"Bộ", "ministry"}, "level-province": {"tỉnh", "province"}, "level-commune": {"xã", "commune"}, "level-post": {"đồn", "post"}, "level-gate": {"cửa khẩu", "gate"}, "level-other": {"khác", "other"},
	"authors": {"Người viết", "Authors"}, "content": {"Nội dung", "Content"}, "diff": {"Khác với bản đang phát", "What differs from what is shown"},
	"diff-new": {"Chưa có bản nào được phát bằng ngôn ngữ này.", "Nothing is shown in this language yet."}, "diff-none": {"Không khác gì.", "Nothing differs."},
	"field-title": {"Tiêu đề", "Title"}, "field-summary": {"Tóm tắt", "Summary"}, "field-text": {"Văn bản", "Text"}, "field-form": {"Dạng", "Form"}, "field-media": {"Tệp", "Files"},
	"field-captions": {"Phụ đề", "Captions"}, "field-sound_tracks": {"Âm thanh", "Sound"},
	"remarks": {"Ý kiến", "Remarks"}, "approved": {"đã duyệt", "approved"}, "approve": {"Duyệt", "Approve"}, "approve-help": {"Bạn xác nhận đã đọc và nội dung đúng.", "You confirm that you have read it and that it is right."},
	"reject": {"Trả lại", "Send back"}, "reason": {"Lý do", "Reason"}, "note": {"Ghi chú cho người viết", "Note for the author"},
	"reason-wrong fact": {"sai sự thật", "wrong fact"}, "reason-wrong wording": {"câu chữ chưa đạt", "wrong wording"}, "reason-wrong picture or map": {"sai hình ảnh hoặc bản đồ", "wrong picture or map"},
	"reason-licence": {"bản quyền", "licence"}, "reason-technical quality": {"chất lượng kỹ thuật", "technical quality"}, "reason-translation": {"bản dịch", "translation"}, "reason-not for the public": {"không dành cho công chúng", "not for the public"},
	"done-approved": {"Đã duyệt.", "Approved."}, "done-approved-more": {"Đã ghi nhận. Còn cần duyệt ở cấp khác.", "Noted. Another level must approve as well."}, "done-rejected": {"Đã trả lại cho người viết.", "Sent back to the author."},
	"displays": {"Màn hình", "Displays"}, "displays-caption": {"Theo kế hoạch đã công bố: đang phát gì, đến khi nào", "By the published plan: what plays now, and until when"},
	"display": {"Màn hình", "Display"}, "place": {"Nơi", "Place"}, "now": {"Đang phát", "Now"}, "until": {"Đến", "Until"}, "lacks": {"Thiếu ngôn ngữ", "Languages lacking"}, "holds": {"Dung lượng", "Bytes"},
	"too-much": {"vượt hạn mức", "more than it may keep"}, "no-displays": {"Chưa công bố màn hình nào.", "No display was published yet."}, "next": {"Trang sau", "Next page"},
	"editions": {"Các ấn bản mới nhất", "Newest editions"}, "edition": {"Số", "Number"}, "published-at": {"Công bố lúc", "Published at"}, "no-editions": {"Chưa công bố lần nào.", "Nothing was published yet."},
	"unpublished": {"Có thay đổi đã duyệt nhưng CHƯA công bố: màn hình vẫn phát kế hoạch cũ.", "There are approved changes that are NOT published: the displays still show the old plan."},
	"default":     {"danh sách mặc định", "default playlist"}, "notice": {"thông báo khẩn", "emergency notice"}, "further": {"đến khi có thay đổi", "until further notice"},
	"not-found": {"Không tìm thấy trang này.", "This page does not exist."}, "went-wrong": {"Máy chủ gặp lỗi; nhật ký ghi lý do.", "The hub made a mistake; its log says why."},
	"row-kind": {"Dạng", "Kind"}, "row-gate": {"Cửa khẩu", "Gate"}, "row-value": {"Giá trị", "Value"}, "row-source": {"Nguồn", "Source"}, "row-valid": {"Hiệu lực", "Valid"},
	"kind-bulletin": {"bản tin", "bulletin"}, "kind-video": {"video", "video"}, "kind-audio": {"âm thanh", "audio"}, "kind-picture": {"ảnh", "picture"}, "kind-document": {"tài liệu", "document"},
	"kind-gate fact": {"thẻ cửa khẩu", "gate card"}, "kind-course": {"khóa học", "course"}, "kind-hours": {"giờ mở cửa", "hours"}, "kind-papers": {"giấy tờ", "papers"}, "kind-e-visa": {"thị thực điện tử", "e-visa"},
	"kind-fee": {"lệ phí", "fee"}, "kind-forbidden": {"hàng cấm", "forbidden"}, "kind-hotline": {"đường dây nóng", "hotline"}, "kind-notice": {"lưu ý", "notice"},
	"audience-public": {"công chúng", "public"}, "audience-staff": {"cán bộ", "staff"}, "side-vietnam": {"phía Việt Nam", "Vietnam's side"}, "side-neighbour": {"phía bạn", "the neighbour's side"},
	"day-MON": {"T2", "Mon"}, "day-TUE": {"T3", "Tue"}, "day-WED": {"T4", "Wed"}, "day-THU": {"T5", "Thu"}, "day-FRI": {"T6", "Fri"}, "day-SAT": {"T7", "Sat"}, "day-SUN": {"CN", "Sun"},
	"row-hours": {"Giờ", "Hours"}, "row-item": {"Mã nội dung", "Item"}, "row-class": {"Loại", "Class"}, "row-traveller": {"Người qua lại", "Traveller"}, "row-checked": {"Kiểm tra ngày", "Checked on"}, "row-review-by": {"Xem lại trước", "Review by"}, "row-owner": {"Đơn vị", "Owner"}, "row-shelf": {"Giá sách", "Shelf"}, "row-tags": {"Từ khóa", "Tags"}, "details": {"Chi tiết", "Details"},
	"row-audience": {"Đối tượng", "Audience"}, "row-licence": {"Bản quyền", "Licence"}, "row-url": {"Địa chỉ", "Address"},
}

// languageNames are the languages that the pages name; others show their tag.
var languageNames = map[string][2]string{
	"vi": {"tiếng Việt", "Vietnamese"}, "en": {"tiếng Anh", "English"}, "zh-Hans": {"tiếng Trung", "Chinese"}, "lo": {"tiếng Lào", "Lao"}, "km": {"tiếng Khmer", "Khmer"},
	"th": {"tiếng Thái Lan", "Thai"}, "blt": {"tiếng Thái Đen", "Tai Dam"}, "tyz": {"tiếng Tày", "Tày"}, "mww": {"tiếng Mông", "Hmong"}, "hmn": {"tiếng Mông", "Hmong"}, "cjm": {"tiếng Chăm", "Cham"},
	"jra": {"tiếng Gia-rai", "Jarai"}, "rad": {"tiếng Ê-đê", "Rade"}, "fr": {"tiếng Pháp", "French"}, "zxx": {"không lời", "no words"},
}
