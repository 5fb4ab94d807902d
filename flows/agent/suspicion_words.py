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
    negeer vergeet zignoruj pomiń zapomnij abaikan lupakan bỏ_qua quên yoksay unut glöm bortse zapomeň""",
    """игнор забудь пренебрег ігнор تجاهل تجاهلي התעלם שכח अनदेखा नज़रअंदाज़ भूल 忽略 无视 忘记 無視 忘れ 무시
    잊어 نادیده เพิกเฉย ละเว้น""",
)
INSTRUCTION = _any(
    """instruc instruk instruç istruz anweisung vorgabe consign opdracht polecen talimat yönerge pokyn petunjuk
    perintah hướng_dẫn chỉ_dẫn prompt guideline""",
    """инструкц указани інструкц تعليمات הוראות निर्देश 指令 指示 提示 命令 지시 명령 دستور คำสั่ง คำแนะนำ""",
)
MODEL = _any(
    """claude anthropic llm llms gpt chatgpt assistant assistent asistent assistente chatbot copilot
    sprachmodell language_model modelo_de modèle_de yapay_zek kunstmatige_intel sztuczn intelligenza_art
    inteligencia_art inteligência_art intelligence_art kecerdasan_buatan trí_tuệ""",
    """искусственн нейросет помощник асистент الذكاء المساعد עוזר सहायक 人工智能 助手 语言模型 アシスタント
    言語モデル 어시스턴트 인공지능 دستیار ผู้ช่วย""",
)
VERDICT = _any(
    """verdict diagnos root_cause rootcause conclusion grundursache urteil befund fehlerursache cause_racine
    causa_ra causa_princip veredic oordeel oorzaak werdykt przyczyn kök_neden akar_penyebab nguyên_nhân
    kesimpulan grundorsak příčin gesund gezond zdrow sağlıklı saludable saudável""",
    """причин вывод диагноз здоров висновок справн السبب التشخيص سليم الجذري סיבה אבחנה תקין कारण निदान स्वस्थ
    根因 根本原因 结论 結論 诊断 診断 健康 正常 原因 진단 결론 원인 정상 علت سالم สาเหตุ""",
)
CONFIDENCE = _any(
    """confiden confianz confianç confiance konfiden zuversicht gewissheit vertrauen fiducia vertrouwen pewnoś
    güven keyakinan độ_tin certeza certitude jistot säkerhet evidence beweis preuve pruebas provas bewijs dowod
    dowód kanıt bukti bằng_chứng důkaz""",
    """уверен доказательств впевнен доказ ثقة الدليل الأدلة ביטחון ראיה ראיות विश्वास सबूत साक्ष्य 置信 信心
    证据 確信 信頼度 証拠 신뢰도 확신 증거 اطمینان ความมั่นใจ หลักฐาน""",
)
IDEAS = (IGNORE, INSTRUCTION, MODEL, VERDICT, CONFIDENCE)

ORDERS = _any(
    """ignore disregard forget override report say answer respond reply conclude state declare choose select
    pick set lower raise mark treat consider trust believe ask call run use must should you your sag sage melde
    antworte setze wähle nenne glaube behandle frage du réponds répondez dis dites déclare déclarez mets mettez
    choisis indique vous tu responde di declara pon elige establece diga defina escolha você informe rispondi
    dichiara imposta scegli devi antwoord zeg meld stel kies jij odpowiedz ustaw powiedz wybierz masz cevapla
    söyle ayarla seç jawab katakan atur pilih kamu trả_lời hãy đặt svara säg du odpověz řekni nastav""",
    """ответь скажи сообщи укажи установи выбери считай ты відповідай встанови أجب قل اضبط اختر أعلن أنت ענה
    אמור הגדר בחר אתה कहो बताओ उत्तर सेट चुनो आप 回答 说 說 报告 設定 设为 设置 选择 认为 你 您 答え 言って 報告
    選択 せよ しろ あなた 답 말해 보고 설정 선택 하라 당신 بگو پاسخ تنظیم شما ตอบ ตั้ง คุณ""",
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
