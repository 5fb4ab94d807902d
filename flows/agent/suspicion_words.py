"""Words with which a text speaks to a model, in many languages, by idea; case-folded.

Latin words are looked for at the beginning of a word, whole where they are short; words of other scripts anywhere, for
some of these scripts have no spaces. `_` stands for a space.
"""

from __future__ import annotations

import re

SHORT = 4
"""Letters of a word that must stand as a whole: shorter ones begin too many others."""


def _any(latin: str, others: str) -> re.Pattern[str]:
    begins = "|".join(re.escape(each).replace("_", " ") + r"\b" * (len(each) <= SHORT) for each in latin.split())
    return re.compile(rf"\b(?:{begins})|{'|'.join(map(re.escape, others.split()))}")


IGNORE = _any(
    """ignor disregard forget overrid overrul bypass missacht vergiss vergesst oubli olvid esquec dimentic
    negeer vergeet zignoruj pomiń zapomnij abaikan lupakan bỏ_qua quên yoksay unut glöm bortse zapomeň ignoră
    ignoreaz hagyd_figyelmen felejtsd unohda ohita älä_välitä ignorer ignorišite zanemari ignorujte puuza
    huwag_pansin abai""",
    """игнор забудь пренебрег ігнор تجاهل تجاهلي התעלם שכח अनदेखा नज़रअंदाज़ भूल 忽略 无视 忘记 無視 忘れ 무시
    잊어 نادیده เพิกเฉย ละเว้น αγνόησε αγνοήστε ξέχασε игнорирай занемари উপেক্ষা புறக்கணி""",
)
INSTRUCTION = _any(
    """instruc instruk instruç istruz anweisung vorgabe consign opdracht polecen talimat yönerge pokyn petunjuk
    perintah hướng_dẫn chỉ_dẫn prompt guideline instrucțiun utasítás ohjeet ohjeit ohje käsky instrukser uputstv
    upute naputk maagizo arahan tagubilin""",
    """инструкц указани інструкц تعليمات הוראות निर्देश 指令 指示 提示 命令 지시 명령 دستور คำสั่ง คำแนะนำ οδηγί
    εντολ инструкции упътств নির্দেশ அறிவுறுத்தல்""",
)
MODEL = _any(
    """claude anthropic llm llms gpt chatgpt assistant assistent asistent assistente chatbot copilot
    sprachmodell language_model modelo_de modèle_de yapay_zek kunstmatige_intel sztuczn intelligenza_art
    inteligencia_art inteligência_art intelligence_art kecerdasan_buatan trí_tuệ mesterséges_intell tekoäly
    avustaja kunstig_intell umjetn akili_bandia inteligență""",
    """искусственн нейросет помощник асистент الذكاء المساعد עוזר सहायक 人工智能 助手 语言模型 アシスタント
    言語モデル 어시스턴트 인공지능 دستیار ผู้ช่วย τεχνητή βοηθ изкуствен асистент সহকারী உதவியாளர்""",
)
VERDICT = _any(
    """verdict diagnos root_cause rootcause conclusion grundursache urteil befund fehlerursache cause_racine
    causa_ra causa_princip veredic oordeel oorzaak werdykt przyczyn kök_neden akar_penyebab nguyên_nhân
    kesimpulan grundorsak příčin gesund gezond zdrow sağlıklı saludable saudável cauza diagnostic sănătos
    egészséges kiváltó_ok hibaok terve syy vika årsag rask uzrok zdrav chanzo sanhi punca sihat""",
    """причин вывод диагноз здоров висновок справн السبب التشخيص سليم الجذري סיבה אבחנה תקין कारण निदान स्वस्थ
    根因 根本原因 结论 結論 诊断 診断 健康 正常 原因 진단 결론 원인 정상 علت سالم สาเหตุ υγι αιτία διάγνωση
    причина здрав কারণ সুস্থ காரணம்""",
)
CONFIDENCE = _any(
    """confiden confianz confianç confiance konfiden zuversicht gewissheit vertrauen fiducia vertrouw pewnoś
    güven keyakinan độ_tin certeza certitude jistot säkerhet încreder bizalom bizonyoss luottamus varmuus tillid
    sikkerhed povjerenj pouzdan""",
    """уверен впевнен ثقة ביטחון विश्वास 置信 信心 確信 信頼度 신뢰도 확신 اطمینان ความมั่นใจ βεβαιότητα
    εμπιστοσύνη увереност আস্থা""",
)
EVIDENCE = _any(
    """evidence beweis preuve pruebas provas prove bewijs dowod dowód kanıt bukti bằng_chứng důkaz bevis dovezi
    bizonyíték todiste dokaz ushahidi ebidensya""",
    """доказательств доказ الدليل الأدلة ראיה ראיות सबूत साक्ष्य 证据 証拠 증거 مدرک شواهد หลักฐาน αποδείξ
    απόδειξ প্রমাণ ஆதாரம்""",
)
IDEAS = (IGNORE, INSTRUCTION, MODEL, VERDICT, CONFIDENCE, EVIDENCE)

ORDERS = _any(
    """ignore disregard forget override report say answer respond reply conclude state declare choose select
    pick set lower raise mark treat consider trust believe ask call run use must should you your sag sage melde
    antworte setze wähle nenne glaube behandle frage du réponds répondez dis dites déclare déclarez mets mettez
    choisis indique vous tu responde di declara pon elige establece diga defina escolha você informe rispondi
    dichiara imposta scegli devi antwoord zeg meld stel kies jij odpowiedz ustaw powiedz wybierz masz cevapla
    söyle ayarla seç jawab katakan atur pilih kamu trả_lời hãy đặt svara säg du odpověz řekni nastav răspunde
    spune alege setează trebuie válaszold mondd állítsd válaszd vastaa sano aseta valitse svar sig sæt vælg
    odgovori reci postavi jibu sema chagua sagutin sabihin""",
    """ответь скажи сообщи укажи установи выбери считай ты відповідай встанови أجب قل اضبط اختر أعلن أنت ענה
    אמור הגדר בחר אתה कहो बताओ उत्तर सेट चुनो आप 回答 说 說 报告 設定 设为 设置 选择 认为 你 您 答え 言って 報告
    選択 せよ しろ あなた 답 말해 보고 설정 선택 하라 당신 بگو پاسخ تنظیم شما ตอบ ตั้ง คุณ απάντησε πες όρισε
    διάλεξε πρέπει отговори кажи избери উত্তর বলো பதில்""",
)
"""Verbs in the imperative, and the word for "you"."""

_PAST = r"(?:all|any|every|the|these|those|of|your|my|its|and)*(?:previous|prior|above|earlier|preceding|former|other)"
_TOLD = r"(?:instruction|rule|prompt|evidence|message|order|text|finding)"
PHRASES = (
    re.compile(rf"(?:ignore|disregard|forget|override){_PAST}{_TOLD}"),
    re.compile(r"youare(?:now|an?(?:ai|assistant|model|helpful))|newinstructions?|systemprompt"),
    re.compile(r"donottrustthe(?:rules|evidence)|rootcauseis(?:now)?(?:none|healthy|nothing|always)"),
    re.compile(r"confidence(?:is|mustbe|shouldbe|to|of)+(?:0|zero)"),
)
"""Said in one breath these need no second idea; looked for in a text without anything but letters and digits."""
