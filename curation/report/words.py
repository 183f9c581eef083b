"""What the report says, in Korean and English: one table, so that neither language can lack a sentence.

Values stand in braces and are put in by `page`; the Korean avoids particles that would depend on a value's sound.
"""

Words = tuple[str, str]

WORDS: dict[str, Words] = {
    # the frame
    "title": ("큐레이션 보고서", "Curation report"),
    "theme": ("밝게·어둡게", "Light/dark"),
    "skip": ("본문으로", "Skip to the report"),
    "made": ("{at} 작성 · {source}", "Made {at} · {source}"),
    "as_table": ("표로 보기", "As a table"),
    "no_script": ("차트는 자바스크립트를 켜야 보입니다.", "The charts need JavaScript."),
    "simulated": (
        "이 데이터에는 시뮬레이터(damhwa-simulator)가 문법 규칙으로 조합한 대화 {n}건이 들어 있습니다. "
        "도구를 시험하기 위한 것이니 학습에 쓰지 마세요.",
        "{n} of these dialogues were composed from a grammar by the offline simulator (damhwa-simulator). "
        "They are for trying things out, not for training.",
    ),
    "big_cluster": (
        "한 묶음에 대화 {n}건({share})이 몰려 있습니다. 같은 틀에서 찍어 낸 대화인지 살펴보세요.",
        "One cluster holds {n} dialogues ({share}). See whether they come from one mould.",
    ),
    "all_others": ("그 밖의 주제", "All other topics"),
    "no_name": ("(이름 없음)", "(no name)"),
    "none": ("없음", "none"),
    "unknown": ("알 수 없음", "unknown"),
    # what became of a dialogue
    "accepted": ("채택", "Accepted"),
    "reserve": ("예비", "Reserve"),
    "waiting": ("검수 대기", "Waiting for review"),
    "dropped": ("탈락", "Dropped"),
    "duplicate": ("중복", "Duplicate"),
    "set_aside": ("보류", "Set aside"),
    "quota": ("목표", "Quota"),
    "dialogues": ("대화", "Dialogues"),
    "topic": ("주제", "Topic"),
    "category": ("분류", "Category"),
    "split": ("분할", "Split"),
    "status": ("판정", "Verdict"),
    "persona": ("페르소나", "Persona"),
    "user": ("유저", "User"),
    "train": ("학습", "Train"),
    "validation": ("검증", "Validation"),
    "test": ("테스트", "Test"),
    "no_split": ("분할 없음", "In no split"),
    # headline
    "lead_met": (
        "주제 {topics}개의 목표 {quota}건을 모두 채웠습니다.",
        "All quotas are met: {quota} dialogues in {topics} topics.",
    ),
    "lead_short": (
        "목표 {quota}건 가운데 {accepted}건을 채택했습니다. 주제 {topics}개 중 {met}개가 목표에 닿았습니다.",
        "{accepted} of {quota} dialogues are accepted; {met} of {topics} topics have met their quota.",
    ),
    "lead_foreign": (
        "대화 {dialogues}건을 살펴 {accepted}건을 채택했습니다.",
        "{accepted} of {dialogues} dialogues are accepted.",
    ),
    "lead_passed": (
        "초안 {tried}건 가운데 {share}가 모든 검사를 통과했습니다.",
        "Of {tried} drafts, {share} passed every check.",
    ),
    "stat_accepted": ("채택한 대화", "Accepted dialogues"),
    "stat_of_quota": ("목표 {quota}건", "of {quota} asked for"),
    "stat_of_rows": ("전체 {n}건", "of {n} in all"),
    "stat_passed": ("통과율", "Yield"),
    "stat_passed_note": ("초안 {n}건 중 채택·예비", "accepted or reserve, of {n} drafts"),
    "stat_passed_rows": ("대화 {n}건 중 채택·예비", "accepted or reserve, of {n} dialogues"),
    "stat_cost": ("채택 1건당 비용", "Cost per accepted dialogue"),
    "stat_cost_note": ("모두 {usd}", "{usd} in all"),
    "stat_leak": ("분할 사이 최고 유사도", "Highest similarity across splits"),
    "stat_leak_note": ("한도 {limit}", "limit {limit}"),
    "stat_duplicates": ("걸러 낸 중복", "Duplicates removed"),
    "stat_duplicates_note": ("전체의 {share}", "{share} of all"),
    # quotas
    "quotas": ("주제별 목표와 판정", "Quotas and verdicts by topic"),
    "quotas_lead": (
        "막대는 주제마다 대화가 어떻게 되었는지를, 세로 눈금은 목표를 나타냅니다. "
        "초록이 눈금에 닿으면 목표를 채운 것입니다.",
        "Each bar tells what became of a topic’s dialogues, the upright tick is its quota: "
        "where green reaches the tick, the quota is met.",
    ),
    "quotas_foreign": (
        "막대는 주제마다 대화가 어떻게 되었는지를 나타냅니다.",
        "Each bar tells what became of a topic’s dialogues.",
    ),
    "drafts": ("초안", "Drafts"),
    "passed": ("통과율", "Yield"),
    "cost": ("비용", "Cost"),
    "cost_each": ("채택 1건당", "Per accepted"),
    "tokens": ("토큰", "Tokens"),
    "yield": ("수율과 비용", "Yield and cost"),
    "yield_lead": (
        "초안 가운데 채택되거나 예비로 남은 비율과, 버린 초안의 비용까지 포함한 채택 1건당 비용입니다. "
        "점선은 전체 평균입니다.",
        "The share of drafts that were accepted or kept in reserve, and what one accepted dialogue cost with the "
        "price of the discarded drafts spread over it. The dotted line is the overall figure.",
    ),
    "cost_unknown": (
        "모델의 단가를 몰라 비용을 계산하지 못했습니다. prices.yaml에 단가를 적으면 나타납니다.",
        "The price of the model is not known, so there is no cost to tell. Write it into prices.yaml.",
    ),
    # splits
    "splits": ("분할과 누출 검사", "Splits and leakage"),
    "splits_lead": (
        "서로 닮은 대화는 언제나 같은 분할에 놓입니다. 그래서 외운 문장 덕에 테스트 점수가 오르는 일이 없습니다.",
        "Dialogues that resemble each other always lie in one split, so no test score comes from lines "
        "learnt by heart.",
    ),
    "share": ("비율", "Share"),
    "topics": ("주제 수", "Topics"),
    "leak_none": (
        "서로 다른 분할에 걸친 유사한 쌍이 하나도 없습니다. 견주어 본 쌍은 {compared}개입니다.",
        "No pair across the splits resembles each other. Pairs compared: {compared}.",
    ),
    "leak_passed": (
        "분할이 서로 다른 두 대화의 최고 유사도는 {highest}로, 한도 {limit}보다 낮습니다. "
        "견주어 본 쌍은 {compared}개입니다.",
        "The most similar two dialogues of different splits reach {highest}, below the limit of {limit}. "
        "Pairs compared: {compared}.",
    ),
    "leak_failed": (
        "분할이 다른데도 유사도가 {highest}나 되는 짝이 있습니다. 한도는 {limit}입니다. 이대로 나누어 쓰면 안 됩니다.",
        "Two dialogues of different splits have a similarity of {highest}; the limit is {limit}. "
        "Do not use these splits as they are.",
    ),
    "leak_pair": ("가장 닮은 짝", "The closest pair"),
    "limit": ("한도", "limit"),
    "highest": ("최고", "highest"),
    # reasons
    "reasons": ("탈락 사유", "Why dialogues were rejected"),
    "reasons_lead": (
        "색이 짙을수록 그 주제의 초안에서 차지하는 비율이 높습니다. 한 대화에 사유가 여럿이면 맨 앞의 것만 셉니다.",
        "The deeper the colour, the larger the share of the topic’s drafts. Where a dialogue has several reasons, "
        "the first one counts.",
    ),
    "reasons_none": ("탈락한 대화가 없습니다.", "Nothing was rejected."),
    "stage_draft": ("생성 중", "While generating"),
    "stage_curation": ("큐레이션", "In curation"),
    "total": ("합계", "Total"),
    "rules": ("규칙마다 걸린 대화", "Dialogues per rule"),
    "rule": ("규칙", "Rule"),
    "noted": ("참고", "Noted"),
    # lengths
    "lengths": ("길이와 턴", "Length and turns"),
    "lengths_lead": (
        "채택한 대화의 글자 수와 메시지 수입니다. 한쪽 끝이 길게 늘어지면 짧은 인사나 긴 강의가 섞였다는 뜻입니다.",
        "Characters and messages of the accepted dialogues. A long tail tells of curt greetings or of lectures "
        "among them.",
    ),
    "characters": ("글자 수", "Characters"),
    "turns": ("메시지 수", "Messages"),
    "distribution": (
        "중앙값 {median} · 평균 {mean} · 95 %가 {p95} 이하 · 범위 {minimum}–{maximum}",
        "median {median} · mean {mean} · 95 % up to {p95} · range {minimum}–{maximum}",
    ),
    # speech levels
    "speech": ("말투", "Speech levels"),
    "speech_lead": (
        "페르소나가 정해진 말투를 벗어난 대화의 비율입니다. ‘참고’는 의심스럽지만 확실하지 않아 남겨 둔 것입니다.",
        "The share of dialogues in which a persona leaves its speech level. Noted ones are doubtful and were kept.",
    ),
    "level": ("말투", "Level"),
    "banmal": ("반말", "banmal (informal)"),
    "jondaetmal": ("존댓말", "jondaetmal (polite)"),
    "undeclared": ("정하지 않음", "not declared"),
    "off_level": ("벗어난 대화", "Off level"),
    # diversity
    "diversity": ("다양성", "Diversity"),
    "diversity_lead": (
        "대화가 서로 얼마나 다른지 여러 지표로 잽니다. 모두 글의 양에 따라 달라지는 값이어서, "
        "양쪽에서 똑같이 {n}건씩 뽑아 견줍니다.",
        "How unlike each other the dialogues are, by several measures. All of them depend on the amount of text, "
        "so {n} dialogues of each side are compared.",
    ),
    "diversity_simulated": (
        "시뮬레이터는 지시문의 상황을 글에 거의 담지 않으므로, 여기서는 두 쪽의 차이가 "
        "실제 모델만큼 드러나지 않습니다.",
        "The simulator hardly weaves the situation into the text, "
        "so the two sides differ less here than with a real model.",
    ),
    "diversity_alone": (
        "대화 {n}건을 뽑아 서로 얼마나 다른지 여러 지표로 잽니다. 같은 지시문 하나를 되풀이해 만든 대화와 견주려면 "
        "<code>damhwa build … --baseline 100</code>으로 함께 만드세요. 모두 글의 양에 따라 달라지는 값이어서, "
        "양이 다른 데이터의 숫자와 그대로 견줄 수는 없습니다.",
        "How unlike each other {n} sampled dialogues are, by several measures. To compare with one prompt asked "
        "again and again, have such dialogues made with <code>damhwa build … --baseline 100</code>. All measures "
        "depend on the amount of text, so they do not compare with another report’s as they stand.",
    ),
    "measure": ("지표", "Measure"),
    "this": ("이 데이터", "This data"),
    "baseline": ("같은 지시문 반복", "One prompt repeated"),
    "higher": ("높을수록 다양", "higher is more varied"),
    "lower": ("낮을수록 다양", "lower is more varied"),
    "distinct_1": ("distinct-1", "distinct-1"),
    "distinct_1_read": ("서로 다른 어절의 비율", "different words, of all words"),
    "distinct_2": ("distinct-2", "distinct-2"),
    "distinct_2_read": ("서로 다른 이웃 어절 짝의 비율", "different pairs of neighbouring words, of all pairs"),
    "self_bleu": ("self-BLEU", "self-BLEU"),
    "self_bleu_read": (
        "한 대화를 나머지 대화로 얼마나 짜깁기할 수 있는지",
        "how far one dialogue can be pieced together from the others",
    ),
    "compression_ratio": ("압축비", "Compression ratio"),
    "compression_ratio_read": (
        "gzip으로 몇 분의 일이 되는지. 되풀이가 많을수록 커진다",
        "how many times smaller gzip makes the text: repetition raises it",
    ),
    "opening_kinds": ("유저의 첫마디 가짓수", "Kinds of user openings"),
    "opening_kinds_read": (
        "첫 두 어절의 엔트로피 {a} 비트를 가짓수로 옮긴 값",
        "the entropy of the first two words, {a} bits, as a number of equally likely ones",
    ),
    "reply_kinds": ("페르소나의 첫마디 가짓수", "Kinds of persona openings"),
    "near_duplicates": ("닮은 짝이 있는 대화", "Dialogues with a near-duplicate"),
    "near_duplicates_read": (
        "중복을 걷어 내기 전, 유사도 {a} 이상인 짝이 있는 대화의 비율",
        "before removal: the share with another one at a similarity of {a} or more",
    ),
    "coverage": ("상황과 조건을 얼마나 썼나", "How much of the scenarios was used"),
    "coverage_spec": (
        "명세에 적힌 값 가운데 채택한 대화에 쓰인 것을 주제마다 세었습니다. "
        "대화 {n}건에 서로 다른 조합이 {k}가지입니다.",
        "Values of the spec that accepted dialogues use, counted per topic; {n} dialogues have {k} different "
        "combinations.",
    ),
    "coverage_rows": (
        "만들어 본 대화에 나온 값 가운데 채택한 대화에 남은 것을 주제마다 세었습니다. "
        "대화 {n}건에 서로 다른 조합이 {k}가지입니다.",
        "Values of all dialogues that accepted ones still use, counted per topic; {n} dialogues have {k} different "
        "combinations.",
    ),
    "situation": ("상황", "situation"),
    "opening": ("말문 여는 방식", "opening"),
    "used": ("쓰인 값", "Used"),
    # duplicates
    "duplicates": ("중복을 찾는 방법", "How duplicates are found"),
    "duplicates_lead": (
        "정확히 같은 대화와 거의 같은 대화를 찾아 하나만 남깁니다. 후보는 해시 밴드 {bands}개(밴드마다 해시 {rows}개)"
        "로 추리고, 후보마다 실제 자카드 유사도를 재어 {threshold} 이상만 중복으로 봅니다.",
        "Of equal and nearly equal dialogues one is kept. Candidates come from {bands} bands of {rows} hashes each; "
        "each candidate’s true Jaccard similarity is taken, and {threshold} or more is a duplicate.",
    ),
    "kind_exact": ("똑같음", "exact"),
    "kind_near": ("거의 같음", "near"),
    "kind_contained": ("한쪽이 다른 쪽에 들어 있음", "contained"),
    "kind_semantic": ("뜻이 같음", "semantic"),
    "kind": ("종류", "Kind"),
    "recall_caption": (
        "곡선은 유사도가 그만큼인 짝이 후보로 잡힐 확률로, 기준 {threshold}에서 {chance}입니다. "
        "막대는 실제로 찾은 중복의 유사도입니다.",
        "The curve is the chance that a pair of that similarity becomes a candidate: {chance} at the threshold of "
        "{threshold}. The bars are the similarities of the duplicates that were found.",
    ),
    "similarity": ("유사도", "Similarity"),
    "chance": ("후보가 될 확률", "Chance to be a candidate"),
    "found": ("찾은 중복", "Duplicates found"),
    "threshold": ("기준", "Threshold"),
    "pairs": ("기준에 가까운 짝", "Pairs around the threshold"),
    "pairs_lead": (
        "기준을 올릴지 내릴지 정할 때 읽어 보세요. 다른 부분에만 색이 있습니다.",
        "Read these before moving the threshold. Only what differs is coloured.",
    ),
    "above": ("중복으로 봄", "a duplicate"),
    "below": ("둘 다 남김", "both kept"),
    # map
    "map": ("대화 지도", "A map of the dialogues"),
    "map_lead": (
        "비슷한 낱말을 쓰는 대화끼리 가까이 놓았습니다. 한 점이 대화 하나이고, 가리키면 첫마디가 보입니다. "
        "빽빽한 덩어리는 비슷한 대화가 많다는 뜻입니다. 축에는 뜻이 없습니다.",
        "Dialogues that use the same words lie close together. A dot is a dialogue; point at it to read its first "
        "line. A dense clump means many alike. The axes mean nothing.",
    ),
    "map_sampled": ("전체에서 {n}건을 뽑았습니다.", "A sample of {n}."),
    "colour_by": ("색", "Colour"),
    "map_others": ("그 밖의 주제", "Other topics"),
    # examples
    "examples": ("탈락한 대화 보기", "Examples of what was dropped"),
    "examples_lead": (
        "필터를 믿어도 될지는 직접 읽고 판단하세요. 사유마다 몇 건씩 골랐고, 걸린 자리에 표시를 했습니다.",
        "Read them and judge the filters yourself: a few of each kind, with the place marked.",
    ),
    "examples_none": ("보여 줄 탈락이 없습니다.", "There is nothing dropped to show."),
    "count": ("{n}건", "{n}"),
    "skipped": ("메시지 {n}개 생략", "{n} messages left out"),
    "kept_one": ("남긴 대화", "Kept"),
    "dropped_one": ("뺀 대화", "Dropped"),
    "like_one": ("닮은 대화", "Resembles"),
    "score": ("점수 {score} · 기준 {threshold}", "score {score} · limit {threshold}"),
    "verdict_drop": ("탈락", "drop"),
    "verdict_note": ("참고", "note"),
    "whole": ("대화 전체", "whole dialogue"),
    "message_no": ("{n}번째 메시지", "message {n}"),
    # people and judges
    "judge": ("심사와 검수", "Judge and reviews"),
    "judge:judged": ("심사한 대화", "judged"),
    "judge:unjudged": ("심사하지 못한 대화", "unjudged"),
    "judge:mean score": ("평균 점수", "mean score"),
    "judge:disagreements with filters": ("필터와 엇갈린 대화", "disagreements with filters"),
    "judge:judged twice": ("두 번 심사한 대화", "judged twice"),
    "judge:consistency": ("두 번의 차이", "twice"),
    "judge:contradictions": ("앞뒤 어긋남", "contradictions"),
    "judge:read": ("읽은 대화", "read"),
    "judge:unread": ("읽지 못한 대화", "unread"),
    "judge:with contradictions": ("어긋난 대화", "dialogues with one"),
    "judge:equal": ("같은 점수", "equal"),
    "judge:within one point": ("1점 이내", "within one point"),
    "judge:mean difference": ("평균 차이", "mean difference"),
    "judge:naturalness": ("자연스러움", "naturalness"),
    "judge:persona": ("페르소나", "persona"),
    "judge:topic": ("주제", "topic"),
    "judge:emotion": ("감정", "emotion"),
    "reviewed": ("사람이 본 대화", "reviewed by people"),
    "flagged": ("플래그", "flagged"),
    "edited": ("고침", "edited"),
    "figure": ("항목", "Figure"),
    "value": ("값", "Value"),
    # how it was made
    "settings": ("설정과 버전", "Settings and versions"),
    "settings_yaml": ("큐레이션 설정(YAML)", "Curation settings (YAML)"),
    "provider": ("제공자", "Provider"),
    "model": ("모델", "Model"),
    "version": ("버전", "Version"),
    # reasons by code
    "code:assistant-tell": ("비서 말투", "assistant-tell"),
    "code:asterisk": ("별표", "asterisk"),
    "code:contamination": ("다른 데이터와 닮음", "contamination"),
    "code:contradiction": ("앞뒤 어긋남", "contradiction"),
    "code:duplicate": ("중복", "duplicate"),
    "code:emoji": ("이모지", "emoji"),
    "code:human": ("검수자", "human"),
    "code:judge": ("심사", "judge"),
    "code:label-leak": ("화자 표시 노출", "label-leak"),
    "code:language": ("언어", "language"),
    "code:length": ("길이", "length"),
    "code:media": ("사진과 녹음", "media"),
    "code:moderation": ("유해성 분류", "moderation"),
    "code:name": ("호칭", "name"),
    "code:near-duplicate": ("닮은 대화", "near-duplicate"),
    "code:opening": ("첫마디 쏠림", "opening"),
    "code:persona-drift": ("페르소나 흐트러짐", "persona-drift"),
    "code:personal-data": ("개인정보", "personal-data"),
    "code:repetition": ("되풀이", "repetition"),
    "code:review": ("검수", "review"),
    "code:role-swap": ("역할 뒤바뀜", "role-swap"),
    "code:script": ("낯선 문자", "script"),
    "code:semantic": ("뜻이 같음", "semantic"),
    "code:speech-level": ("말투", "speech-level"),
    "code:split-tie": ("분할에 걸침", "split-tie"),
    "code:stage-direction": ("지문", "stage-direction"),
    "code:empty-utterance": ("빈 메시지", "empty-utterance"),
    "code:label-in-text": ("본문 속 화자 표시", "label-in-text"),
    "code:out-of-order": ("순서 어긋남", "out-of-order"),
    "code:refusal": ("거절", "refusal"),
    "code:too-few-exchanges": ("너무 짧음", "too-few-exchanges"),
    "code:too-many-exchanges": ("너무 김", "too-many-exchanges"),
    "code:truncated": ("끊김", "truncated"),
    "code:unfinished": ("미완", "unfinished"),
    "code:unlabelled": ("화자 표시 없음", "unlabelled"),
    "code:wrong-form": ("형식이 다름", "wrong form"),
    "code:unsafe": ("유해", "unsafe"),
}
